"""Whether a session may work in a directory. Symlinks are resolved before anything is judged."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from ..model.errors import ArtacError, ErrorKind


def check(cwd: str, allowed_roots: Sequence[str]) -> str:
    """The real path to work in; ArtacError(USAGE or DENIED) naming the rule that refuses it."""
    if not cwd.startswith("/"):
        raise ArtacError(ErrorKind.USAGE, f"working directory {cwd!r} must be an absolute path")
    if "\0" in cwd:
        raise ArtacError(ErrorKind.USAGE, "working directory: a path cannot hold a NUL character")
    try:
        real = os.path.realpath(cwd, strict=True)
        status = os.stat(real)
    except OSError as error:
        raise ArtacError(
            ErrorKind.USAGE, f"working directory {cwd}: {error.strerror or error}"
        ) from None
    shown = cwd if real == cwd else f"{cwd} (really {real})"
    if not stat.S_ISDIR(status.st_mode):
        raise ArtacError(ErrorKind.USAGE, f"working directory {shown} is not a directory")
    if allowed_roots and not any(_is_below(real, root) for root in allowed_roots):
        roots = ", ".join(allowed_roots)
        raise ArtacError(
            ErrorKind.DENIED, f"working directory {shown} is not under allowed_roots ({roots})"
        )
    if not os.access(real, os.R_OK | os.X_OK):
        raise ArtacError(
            ErrorKind.DENIED,
            f"working directory {shown} is not accessible to the account that artacd runs as "
            f"(uid {os.geteuid()})",
        )
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        raise ArtacError(
            ErrorKind.DENIED,
            f"working directory {shown} can be written by everybody (mode "
            f"{stat.S_IMODE(status.st_mode):04o}): anyone could plant files that Claude obeys; "
            "chmod o-w it",
        )
    return real


def nearest(real: str, roots: Sequence[str]) -> str | None:
    """Of the roots that a real path is below, the one that is nearest once links are resolved."""
    above = [root for root in roots if _is_below(real, root)]
    return max(above, key=lambda root: len(os.path.realpath(root)), default=None)


def _is_below(real: str, root: str) -> bool:
    top = os.path.realpath(root)
    return real == top or real.startswith(top.rstrip("/") + "/")
