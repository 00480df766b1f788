"""Telling a Claude Code process by what it runs."""

from __future__ import annotations

import os
from collections.abc import Sequence

_PACKAGE = "@anthropic-ai/claude-code/"
_INTERPRETERS = ("node", "nodejs", "bun")


def is_claude(executable: str, argv: Sequence[str]) -> bool:
    """Whether a process of that executable (a path) and command line is a Claude Code CLI.

    It is a program of its own called `claude`, or a script of its package that an interpreter runs.
    It calls itself `claude` in its command line, whatever its file is called (a version's number).
    """
    if not argv:
        return False
    if "claude" in (os.path.basename(executable), os.path.basename(argv[0])):
        return True
    if _PACKAGE in executable:
        return True
    if os.path.basename(executable) not in _INTERPRETERS:
        return False
    script = next((word for word in argv[1:] if not word.startswith("-")), "")
    return _PACKAGE in script or os.path.basename(script) == "claude"
