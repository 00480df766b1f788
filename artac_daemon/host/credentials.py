"""Whether Claude Code has a login or a key here: found by presence, never shown, never tried."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")
_PROVIDERS = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
_LARGEST = 1 << 20


def find(environ: Mapping[str, str]) -> str:
    """Where a login or key comes from, in words; "" when there is none."""
    for name in _KEYS:
        if environ.get(name):
            return f"environment {name}"
    for name in _PROVIDERS:
        if environ.get(name, "").lower() not in ("", "0", "false"):
            return f"the cloud provider of {name}"
    directory = claude_directory(environ)
    if directory is None:
        return ""
    login = _object(directory / ".credentials.json")
    if any(login.values()):
        return f"login in {directory / '.credentials.json'}"
    for name in ("settings.json", "settings.local.json"):
        settings = _object(directory / name)
        if settings.get("apiKeyHelper"):
            return f"apiKeyHelper in {directory / name}"
        given = settings.get("env")
        if isinstance(given, dict):
            for key in (*_KEYS, *_PROVIDERS):
                if given.get(key):
                    return f"{key} in {directory / name}"
    return ""


def claude_directory(environ: Mapping[str, str]) -> Path | None:
    """Claude Code's own directory; None when there is no home to have it in."""
    if configured := environ.get("CLAUDE_CONFIG_DIR"):
        return Path(configured)
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return Path(home) / ".claude"
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir) / ".claude"
    except KeyError:
        return None


def _object(path: Path) -> dict[str, object]:
    try:
        if path.stat().st_size > _LARGEST:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
