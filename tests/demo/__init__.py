"""`make run`: the main job on real parts, told step by step."""
