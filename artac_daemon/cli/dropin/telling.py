"""What `artac-claude` itself has to say: one line on standard error, and an exit code."""

from __future__ import annotations

import os
import sys

from ...model.errors import ArtacError, ErrorKind
from ..escapes import harmless


def note(text: str) -> None:
    """One line for whoever reads the program's log."""
    try:
        print(f"artac-claude: {harmless(text)}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # nobody is left to be told


def failed(error: Exception) -> int:
    """Tell an error; the exit code for it."""
    if isinstance(error, ArtacError):
        note(error.message)
        return error.kind.exit_code
    if os.environ.get("ARTAC_TRACEBACK"):
        raise error
    if isinstance(error, OSError):
        note(str(error))
    else:
        note(f"a mistake in artac itself: {type(error).__name__}: {error}")
    return ErrorKind.FAILED.exit_code
