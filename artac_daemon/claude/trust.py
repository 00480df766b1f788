"""Answers Claude's trust dialog in advance, by the rules that Claude has for its own file.

Claude (2.1.197, 2.1.330) changes .claude.json under a lock: the directory .claude.json.lock, made
with mkdir, touched every 5 s, and stale when it was not for 10 s. It reads the file under the lock,
writes a new one beside it and renames that over it, with the mode kept. So does this.

2.1.197 writes without the lock where it finds it held. So the file is looked at once more before it
is replaced; a mark that such a write takes away again is lost, and Claude asks.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .home import Unusable, load

_STALE = 10.0
# Claude holds it for milliseconds; a dead one's is taken over once it is stale.
_PATIENCE = _STALE + 2.0
_PAUSE = 0.02
_ATTEMPTS = 20


def mark(file: str, cwd: str, patience: float = _PATIENCE) -> bool:
    """Record in that .claude.json that the directory is trusted; whether it had to be written.

    Nothing else in it changes. ArtacError(FAILED), with nothing written, for a file that is damaged
    or another account's, and for a lock that is not let go of within that many seconds.
    """
    # As Claude does: the lock beside the link, the new file beside what the link leads to.
    target = os.path.realpath(file)
    try:
        if _is_marked(_own(target), cwd):
            return False
        _make_directory(os.path.dirname(target))
        with _locked(f"{file}.lock", patience) as still_ours:
            for _ in range(_ATTEMPTS):
                seen = _state(target)
                content = _own(target)  # somebody may have changed it while we waited
                if _is_marked(content, cwd):
                    return False
                if _write(target, _with_mark(content, target, cwd), seen, still_ours):
                    return True
        raise Unusable(f"{file} is being changed again and again, without its lock")
    except Unusable as problem:
        raise _failed(str(problem)) from None
    except OSError as error:
        raise _failed(f"{file} cannot be written: {error.strerror or error}") from None


def _failed(problem: str) -> ArtacError:
    return ArtacError(ErrorKind.FAILED, f"trust is not recorded, so Claude will ask: {problem}")


def _own(target: str) -> dict[str, Any] | None:
    """The content of the file; None where there is none. Unusable for one of another account."""
    uid = os.geteuid()
    # A file that is not there yet belongs to whom the directory does.
    for name in (target, os.path.dirname(target), os.path.dirname(os.path.dirname(target))):
        try:
            owner = os.stat(name).st_uid
        except FileNotFoundError:
            continue
        if owner != uid:
            raise Unusable(f"{name} is of uid {owner}, and artac works as uid {uid}")
        break
    try:
        return load(target)
    except FileNotFoundError:
        return None


def _make_directory(path: str) -> None:
    """As Claude makes the one that CLAUDE_CONFIG_DIR names."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def _is_marked(content: dict[str, Any] | None, cwd: str) -> bool:
    projects = (content or {}).get("projects")
    project = projects.get(cwd) if isinstance(projects, dict) else None
    return isinstance(project, dict) and project.get("hasTrustDialogAccepted") is True


def _entry(content: dict[str, Any], target: str, cwd: str) -> dict[str, Any]:
    """The part of it about that directory, made if it is missing; Unusable if it has no form."""
    projects = content.setdefault("projects", {})
    project = projects.setdefault(cwd, {}) if isinstance(projects, dict) else None
    if not isinstance(project, dict):
        raise Unusable(f"{target} has no projects in the form that Claude gives them")
    return project


def _with_mark(content: dict[str, Any] | None, target: str, cwd: str) -> bytes:
    changed = content or {}
    _entry(changed, target, cwd)["hasTrustDialogAccepted"] = True
    try:
        text = json.dumps(changed, ensure_ascii=False, indent=2, allow_nan=False)
    except (ValueError, RecursionError):  # 1e999 reads as infinite
        raise Unusable(f"{target} holds what cannot be written back as it is") from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a character, which JSON can say as an escape only
        return json.dumps(changed, indent=2).encode()


def _state(target: str) -> tuple[int, ...] | None:
    """What is another after any change of the file; None for no file."""
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def _write(
    target: str,
    data: bytes,
    seen: tuple[int, ...] | None,
    still_ours: Callable[[], bool],
) -> bool:
    """Put the new content in the place of the one that was seen; False if that has changed."""
    half = f"{target}.tmp.{os.getpid()}.{secrets.token_hex(6)}"
    mode = 0o600 if seen is None else stat.S_IMODE(os.stat(target).st_mode)
    fd = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(fd, mode)
            os.fsync(fd)
        if not still_ours():
            raise Unusable(f"{target}.lock was taken away while it was held")
        if _state(target) != seen:
            return False
        if seen is None:
            os.link(half, target)  # unlike a rename it never replaces what came meanwhile
        else:
            os.replace(half, target)
        return True
    finally:
        try:
            os.unlink(half)
        except FileNotFoundError:
            pass


@contextmanager
def _locked(lock: str, patience: float) -> Iterator[Callable[[], bool]]:
    deadline = time.monotonic() + patience
    while True:
        try:
            os.mkdir(lock)
            break
        except FileExistsError:
            pass
        _break_stale(lock)
        if time.monotonic() > deadline:
            raise Unusable(f"{lock} is held by a Claude that does not let go of it")
        time.sleep(_PAUSE)
    made = os.stat(lock)

    def still_ours() -> bool:
        try:
            found = os.stat(lock)
        except FileNotFoundError:
            return False
        return (found.st_ino, found.st_dev) == (made.st_ino, made.st_dev)

    try:
        yield still_ours
    finally:
        if still_ours():
            os.rmdir(lock)


def _break_stale(lock: str) -> None:
    """Take away the lock of a Claude that was killed."""
    try:
        if time.time() - os.stat(lock).st_mtime > _STALE:
            os.rmdir(lock)
    except FileNotFoundError:
        pass  # it was let go of just now
