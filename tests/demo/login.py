"""Whether this machine has a login or key for Claude, and what a session needs of it."""

from __future__ import annotations

import os
from pathlib import Path

_NAMES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
_WITH_THEM = ("ANTHROPIC_BASE_URL", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


def environment() -> dict[str, str]:
    """The variables that log in, with those that say how to get there; empty without one."""
    found = {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
    if found:
        found |= {name: os.environ[name] for name in _WITH_THEM if os.environ.get(name)}
    return found


def credentials() -> Path | None:
    """The file of a Claude login, if there is one."""
    home = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    path = home / ".credentials.json"
    return path if path.is_file() else None


def is_there() -> bool:
    return bool(environment()) or credentials() is not None
