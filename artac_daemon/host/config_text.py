"""Reads a file that a person writes: regular, bounded, UTF-8; with its status, to judge who can."""

from __future__ import annotations

import grp
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from ..model.setting_layers import config_error

LARGEST_FILE = 1 << 20
# What the packages lay down: the service of the machine, and the account that it runs as.
_OF_THE_MACHINE, _ACCOUNT = Path("/etc/artac"), "artac"


@dataclass(frozen=True)
class Text:
    """What was read, and the status of that very file."""

    content: str
    status: os.stat_result


def _open_at_once(path: str, flags: int) -> int:
    # Opening a FIFO would otherwise wait until somebody wrote to it.
    return os.open(path, flags | os.O_NONBLOCK)


def read(path: Path) -> Text | None:
    """The file's text; None when there is no such file. ArtacError(CONFIG) for what is no text."""
    try:
        with open(path, "rb", opener=_open_at_once) as stream:
            status = os.fstat(stream.fileno())
            is_null = stat.S_ISCHR(status.st_mode) and os.path.samefile(path, os.devnull)
            if not stat.S_ISREG(status.st_mode) and not is_null:
                raise config_error(path, "is not a regular file")
            content = stream.read(LARGEST_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise config_error(path, f"cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_FILE:
        raise config_error(path, f"is larger than {LARGEST_FILE} bytes")
    try:
        return Text(content.decode("utf-8-sig"), status)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise config_error(f"{path}:{line}", "is not UTF-8 text") from None


def exposed(path: Path, status: os.stat_result) -> bool:
    """Whether other users can read it; what root wrote may be readable by the service's group."""
    for_service = status.st_uid == 0 and (os.geteuid() != 0 or bool(_machines_group(path)))
    return bool(status.st_mode & (0o037 if for_service else 0o077))


def closing(path: Path, status: os.stat_result) -> str:
    """The command after which no other users can read it, and the account that needs it still can:
    this one, or for what root wrote for the machine's own service that service's.
    """
    quoted = shlex.quote(str(path))
    group = _machines_group(path)
    if status.st_uid == os.geteuid() and not group:
        return f"chmod 600 {quoted}"
    return f"chgrp {group or _own_group()} {quoted} && chmod 640 {quoted}"


def making(path: Path, content: str) -> str:
    """The command that writes what another command prints to such a file."""
    quoted = shlex.quote(str(path))
    group = _machines_group(path)
    if not group and os.access(path.parent, os.W_OK):
        return f"(umask 077; {content} >{quoted})"
    return f"{content} | install -m 0640 -g {group or _own_group()} /dev/stdin {quoted}"


def _machines_group(path: Path) -> str:
    """Whose group has to read it, where root looks at what is the machine's own service's."""
    return _ACCOUNT if os.geteuid() == 0 and path.is_relative_to(_OF_THE_MACHINE) else ""


def _own_group() -> str:
    """The group of this account, by name where it has one."""
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        return str(os.getegid())
