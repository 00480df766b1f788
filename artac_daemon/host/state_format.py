"""The form of a state directory as a whole, and the way from an older one to ours."""

from __future__ import annotations

import json
import os
import tarfile
import time
from pathlib import Path

from ..keeper import record
from ..model.errors import ArtacError, ErrorKind

# Raise it when an older artac could not make sense of what this one writes: it would take records
# for damaged and set sessions aside, so it has to refuse the start. `settle` is where what is there
# is brought forward. 0 is what was before there was a number; its records are read as they are.
# 2 has sessions of the kind `piped`.
FORMAT = 2

_RECORDS = ("spec", "limits", "keeper", "stop", "end")


def settle(root: Path) -> str:
    """Make sure that a locked state directory is of our format; where a backup is, "" for none.

    ArtacError(CONFIG) for one of a later artac, or one that cannot be brought forward.
    """
    try:
        found = _read(root)
        if found > FORMAT:
            raise ArtacError(
                ErrorKind.CONFIG,
                f"state directory {root} is of a later artac (format {found}, this one knows "
                f"{FORMAT}): install that one again, or use another state_directory",
            )
        if found == FORMAT:
            return ""
        backup = _back_up(root, found)
        record.write(str(root), "format", {"version": FORMAT})
        return backup
    except OSError as error:
        what = f"state directory {root} cannot be brought to format {FORMAT}: {error.strerror}"
        raise ArtacError(ErrorKind.CONFIG, what) from None


def _read(root: Path) -> int:
    try:
        return int(json.loads((root / "format").read_bytes())["version"])
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError) as error:
        raise ArtacError(
            ErrorKind.CONFIG, f"{root}/format is damaged ({error}): see what is in there"
        ) from None


def _back_up(root: Path, found: int) -> str:
    """Keep all sessions' records as they are; output is never rewritten, so it is not in it."""
    records = [
        path
        for name in _RECORDS
        for path in sorted((root / "sessions").glob(f"*/{name}"))
        if path.is_file() and not path.is_symlink()
    ]
    if not records:
        return ""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    backup = root / f"records-of-format-{found}-{stamp}.tar.gz"
    half = root / ".records.tar.gz"  # of one name, so that what a kill leaves is replaced
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for path in records:
                archive.add(path, path.relative_to(root))
        file.flush()
        os.fsync(file.fileno())
    half.rename(backup)
    return str(backup)
