"""What is no session is run with the real `claude`, as if it had been called itself."""

from __future__ import annotations

import os
import shutil
import sys
from typing import NoReturn

from ...model.errors import ArtacError, ErrorKind
from ..asking import candidates
from ..client import Client

# Set for what is run so: a `claude` that is artac-claude would run itself for ever.
_MARK = "ARTAC_CLAUDE_DIRECT"
_PATIENCE = 5.0


def run_claude(words: list[str]) -> NoReturn:
    """Become `claude` with those arguments; ArtacError when there is none."""
    path = _daemons() or os.environ.get("CLAUDE_CODE_PATH") or shutil.which("claude")
    if not path:
        raise ArtacError(
            ErrorKind.CONFIG, "claude was not found in PATH, and no artac daemon says where it is"
        )
    if os.environ.get(_MARK) or os.path.realpath(path) == os.path.realpath(sys.argv[0]):
        raise ArtacError(
            ErrorKind.CONFIG,
            f"{path} is artac-claude itself: set claude_code_path to the path of Claude Code",
        )
    try:
        os.execve(path, [path, *words], {**os.environ, _MARK: "1"})
    except OSError as error:
        raise ArtacError(ErrorKind.CONFIG, f"{path}: {error.strerror}") from None


def _daemons() -> str:
    """The path in the daemon's settings; "" where it does not answer or looks into PATH."""
    client = Client(list(candidates()))
    if not client.listened_to():
        return ""
    try:
        settings = client.get("/v1/config", _PATIENCE)
        return str(settings["claude_code_path"]["value"] or "")
    except (ArtacError, KeyError, TypeError):
        return ""
