"""What a tool is to do, in one line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# What says most about a tool's input, of Claude Code's own tools.
_TELLING = ("command", "file_path", "notebook_path", "url", "pattern", "query", "path", "prompt")
# The model's own words about it: not what will be done.
_WORDS = ("description",)


def in_one_line(given: Mapping[str, Any], longest: int) -> str:
    """The telling part, then the rest as JSON; what is longer says by how much it was cut.

    Line breaks and other control characters are still in it.
    """
    telling = next((key for key in _TELLING if isinstance(given.get(key), str)), None)
    rest = {key: value for key, value in given.items() if key not in (telling, *_WORDS)}
    parts = [] if telling is None else [str(given[telling])]
    if rest:
        parts.append(json.dumps(rest, ensure_ascii=False))
    text = "  ".join(parts)
    if len(text) <= longest:
        return text
    return f"{text[:longest]}… ({len(text) - longest} more characters)"
