"""Choose where to show it, show it, and leave nothing."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from tests.demo import stages, story
from tests.demo.narration import say


def main() -> int:
    """Exit code 0 when everything that was promised was seen."""
    with ExitStack() as stack:
        stage = stages.choose(stack)
        try:
            story.tell(stage)
        except story.Broken as problem:
            say(f"This is not what was promised: {problem}")
            say(stage.log())
            return 1
    say("Done. Everything that this demonstration started is gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
