"""The sessions on disk: `STATE/sessions/ID/`, private, each file whole or not there.

`spec` is written once by the backend, and so is a terminal's `settings` for Claude; `limits` and
`succession` (who had the conversation before it and after it) whenever they change; `keeper` and
`end` by the session's keeper, `hooks` by Claude's hooks, `stop` by the backend before it takes the
first step of a stop. To `messages` the backend adds, see `message_log`. A session's state is never
stored: it follows from which of these exist, from who is alive and from what Claude tells.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..keeper import record
from ..keeper.wire import SOCKET
from ..model.end import EndFacts
from ..model.errors import ArtacError, ErrorKind
from ..model.limits import Granted
from ..model.session import ID_ALPHABET, ID_LENGTH, Identity, SessionSpec, StopRequest, is_id
from . import state_format

# A record is a few hundred bytes; more than this is not one of ours.
_MAX_RECORD = 1024 * 1024

HOOKS = "hooks"
SUCCESSION = "succession"

# What reading a file can come to that holds anything at all.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)

T = TypeVar("T")


@dataclass(frozen=True)
class Stored:
    """What a session's directory says. `damage` names each file that could not be read."""

    id: str
    spec: SessionSpec | None
    keeper: Identity | None
    stop: StopRequest | None
    end: EndFacts | None
    granted: Granted | None
    damage: tuple[str, ...]


class Store:
    """One state directory, held by one backend at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sessions = root / "sessions"
        self._lock = -1

    def open(self) -> list[str]:
        """Make and lock the directories; what had to be mended, in words.

        Raises ArtacError(CONFIG) when another backend has them or they belong to someone else.
        """
        mended: list[str] = []
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sessions.mkdir(mode=0o700, exist_ok=True)
            (self.root / "damaged").mkdir(mode=0o700, exist_ok=True)
            for directory in (self.root, self.sessions, self.root / "damaged"):
                mended += _make_private(directory)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._lock = os.open(self.root / "lock", flags, 0o600)
        except OSError as error:
            raise ArtacError(
                ErrorKind.CONFIG, f"state directory {self.root}: {error.strerror}"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ArtacError(
                ErrorKind.CONFIG,
                f"state directory {self.root} is in use by another artacd; stop that one first, "
                "or give this one a directory of its own (state_directory)",
            ) from None
        if backup := state_format.settle(self.root):
            mended.append(f"the records of an older artac are kept as they were in {backup}")
        return mended

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def directory(self, session_id: str) -> Path:
        return self.sessions / session_id

    def new_id(self) -> str:
        """An id that no session has, ended ones included."""
        while True:
            candidate = "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_LENGTH))
            # A letter first: an id is never taken for a number.
            if not candidate[0].isdigit() and not self.directory(candidate).exists():
                return candidate

    def prepare(self, session_id: str) -> None:
        """Make a session's directory, private."""
        self.directory(session_id).mkdir(mode=0o700)

    def write_spec(self, spec: SessionSpec) -> None:
        """On disk when this returns, the directory's own name included."""
        record.write(str(self.directory(spec.id)), "spec", spec.to_json())
        record.sync_directory(str(self.sessions))

    def write_limits(self, session_id: str, granted: Granted) -> None:
        """Not synced: limits outlive the backend, not the machine."""
        directory = str(self.directory(session_id))
        record.write(directory, "limits", granted.to_json(), durable=False)

    def write_settings(self, session_id: str, settings: dict[str, Any]) -> Path:
        """Claude's settings for a session; where they are. May hold a user's secrets."""
        directory = str(self.directory(session_id))
        record.write(directory, "settings", settings, durable=False)
        return self.directory(session_id) / "settings"

    def make_hooks(self, session_id: str) -> Path:
        """The file that takes what Claude's hooks tell: a hook makes none itself."""
        path = self.directory(session_id) / HOOKS
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        return path

    def write_succession(self, session_id: str, succession: dict[str, Any]) -> None:
        record.write(str(self.directory(session_id)), SUCCESSION, succession)

    def read_succession(self, session_id: str) -> dict[str, Any]:
        """What is noted of those before and after it; {} where nothing is, or it is damaged."""
        try:
            content = _load(self.directory(session_id) / SUCCESSION)
        except _DAMAGE:
            return {}
        return dict(content)

    def write_stop(self, session_id: str, stop: StopRequest) -> None:
        record.write(str(self.directory(session_id)), "stop", stop.to_json())

    def write_end(self, session_id: str, end: EndFacts) -> None:
        """Write the end that a dead keeper could not, and remove the socket that it left."""
        record.write(str(self.directory(session_id)), "end", end.to_json())
        (self.directory(session_id) / SOCKET).unlink(missing_ok=True)

    def ids(self) -> list[str]:
        """Every session directory, sorted; what is not named by an id is none of ours."""
        entries = [entry for entry in os.scandir(self.sessions) if is_id(entry.name)]
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def read(self, session_id: str) -> Stored:
        """What is on disk of a session; damage is reported, never raised."""
        directory = self.directory(session_id)
        damage: list[str] = []

        def load(name: str, parse: Callable[[Any], T]) -> T | None:
            try:
                return parse(_load(directory / name))
            except FileNotFoundError:
                return None
            except _DAMAGE as error:
                damage.append(f"{name}: {error}")
                return None

        spec = load("spec", SessionSpec.from_json)
        if spec is not None and spec.id != session_id:
            damage.append(f"spec: it is of session {spec.id}")
            spec = None
        keeper = load("keeper", Identity.from_json)
        stop = load("stop", StopRequest.from_json)
        end = load("end", EndFacts.from_json)
        granted = load("limits", Granted.from_json)
        return Stored(session_id, spec, keeper, stop, end, granted, tuple(damage))

    def mend_modes(self, session_id: str) -> list[str]:
        """Make a session's directory private; what had to be mended, in words."""
        return _make_private(self.directory(session_id))

    def tidy(self, session_id: str, keeper_gone: bool) -> None:
        """Remove what a killed writer had half written; a keeper may be writing at this moment."""
        names = ["spec", "stop", "limits", "settings", "messages", SUCCESSION]
        names += ["end", "keeper"] if keeper_gone else []
        for name in names:
            for half in self.directory(session_id).glob(f".{name}.*"):
                half.unlink(missing_ok=True)

    def remove(self, session_id: str) -> None:
        """Delete an ended session's directory; FileNotFoundError when there is none."""
        directory = self.directory(session_id)
        while True:
            try:
                shutil.rmtree(directory)
                return
            except FileNotFoundError:
                # Its keeper is just leaving and takes its socket away itself.
                if not directory.exists():
                    raise

    def set_aside(self, session_id: str) -> Path:
        """Move a whole damaged session out of the way; where it is now."""
        target = self.root / "damaged" / f"{session_id}-{_stamp()}"
        (self.directory(session_id) / SOCKET).unlink(missing_ok=True)
        self.directory(session_id).rename(target)
        return target

    def aside(self, session_id: str) -> Path | None:
        """Where a damaged session of that id was moved, the latest; None when there is none."""
        if not is_id(session_id):
            return None
        found = sorted((self.root / "damaged").glob(f"{session_id}-*"))
        return found[-1] if found else None

    def set_file_aside(self, session_id: str, name: str) -> Path:
        """Move one damaged file of a session aside, beside where it was."""
        source = self.directory(session_id) / name
        target = source.with_name(f"{name}.damaged-{_stamp()}")
        source.rename(target)
        return target


def _load(path: Path) -> Any:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd, "rb") as file:
        data = file.read(_MAX_RECORD + 1)
    if len(data) > _MAX_RECORD:
        raise ValueError("too long to be a record")
    content = json.loads(data)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def _make_private(directory: Path) -> list[str]:
    status = os.lstat(directory)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ArtacError(
            ErrorKind.CONFIG,
            f"{directory} must be a directory owned by uid {os.geteuid()}, "
            f"it is of uid {status.st_uid}: chown it, or choose another state_directory",
        )
    mode = stat.S_IMODE(status.st_mode)
    if not mode & 0o077:
        return []
    os.chmod(directory, 0o700)
    return [f"{directory} was open to others (mode {mode:04o}) and is now 0700"]


def _stamp() -> str:
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + f"-{secrets.token_hex(2)}"
