"""The files of sessions.d: which there are, whether to trust them, and writing one."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind
from ..model.setting_layers import config_error
from . import config_text

SUFFIX = ".yaml"
MOST_FILES = 1000
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


def stems(directory: Path) -> list[str]:
    """The names of the files without `.yaml`, sorted; a directory that is not there has none.

    ArtacError(CONFIG) where it cannot be listed, has too many, or others can write to it.
    """
    try:
        _trust(directory, os.stat(directory))
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise config_error(directory, f"cannot be read: {error.strerror}") from None
    found = sorted(n for n in names if n.endswith(SUFFIX) and not n.startswith("."))
    if len(found) > MOST_FILES:
        raise config_error(directory, f"holds {len(found)} files; allowed: {MOST_FILES} at most")
    return [name.removesuffix(SUFFIX) for name in found]


def place(directory: Path, name: str) -> Path:
    """Where the file of that name is, or would be."""
    return directory / (name + SUFFIX)


def read(directory: Path, name: str) -> config_text.Text | None:
    """A file that only this account or root can have written; None when there is none.

    A symbolic link is followed: what it leads to is judged. ArtacError(CONFIG).
    """
    path = place(directory, name)
    try:
        _trust(directory, os.stat(directory))
    except OSError:
        return None
    text = config_text.read(path)
    if text is not None:
        _trust(path, text.status)
    return text


def write(directory: Path, name: str, content: str, force: bool) -> Path:
    """Write a file, whole or not at all, readable by this account alone; where it is.

    ArtacError(CONFLICT) where there is one and `force` is not given, (DENIED) where this account
    may not write.
    """
    path = place(directory, name)
    # One name, so that a writer that was killed leaves at most one, and the next one takes it.
    half = path.with_name(f".{path.name}.new")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _trust(directory, os.stat(directory))
        if os.path.lexists(path) and not force:
            raise ArtacError(ErrorKind.CONFLICT, f"{path} exists; --force replaces it")
        half.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(half, flags, 0o600), "wb") as stream:
            stream.write(content.encode())
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(path)
        _sync(directory)
    except OSError as error:
        kind = ErrorKind.DENIED if error.errno in _NOT_OURS else ErrorKind.FAILED
        raise ArtacError(kind, f"{path} cannot be written: {error.strerror}") from None
    return path


def _trust(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise config_error(path, f"belongs to uid {status.st_uid}; allowed: root or this account")
    if status.st_mode & 0o022:
        mode = stat.S_IMODE(status.st_mode)
        raise config_error(path, f"mode {mode:04o} lets others write; run: chmod go-w {path}")


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
