"""Why no daemon answers, and what to do about it, in one line."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..model.errors import ErrorKind


def explain(failures: Sequence[tuple[str, OSError]]) -> tuple[ErrorKind, str]:
    """What to tell of sockets that could not be connected to, and as which kind of error."""
    for path, error in failures:
        if isinstance(error, PermissionError):
            return ErrorKind.DENIED, f"permission denied on {path}: it is for {_allowed(path)}"
    tried = ", ".join(_tried(path, error) for path, error in failures)
    return ErrorKind.UNAVAILABLE, f"no artac daemon answers; {_advice()} (tried {tried})"


def _tried(path: str, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return path
    if isinstance(error, ConnectionRefusedError):
        return f"{path}: nobody listens"
    return f"{path}: {error.strerror or error}"


def _allowed(path: str) -> str:
    """Who may use a socket; its directory may hide it, and then has the same owner."""
    import grp
    import pwd

    place = path
    while True:
        try:
            found = os.stat(place)
            break
        except OSError:
            if place == os.path.dirname(place):
                return "another account"
            place = os.path.dirname(place)
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = f"uid {found.st_uid}"
    allowed = owner if owner == "root" else f"{owner} and root"
    if place == path and found.st_mode & 0o020:
        try:
            group = grp.getgrgid(found.st_gid).gr_name
        except KeyError:
            group = f"gid {found.st_gid}"
        return f"{allowed}, and members of the group {group}"
    return f"{allowed} (the setting api_group lets a group in)"


def _advice() -> str:
    if not os.path.isdir("/run/systemd/system"):
        return "systemd does not run here, so start `artacd` yourself"
    advice = []
    for command, word in (("systemctl", "system"), ("systemctl --user", "user")):
        state = _state(command.split())
        if state == "failed":
            advice.append(f"the {word} service has failed, see `{command} status artac`")
        elif state in ("active", "reloading"):
            advice.append(
                f"the {word} service is active, so it listens elsewhere: "
                "give --socket or ARTAC_SOCKET"
            )
        elif state in ("activating", "deactivating"):
            advice.append(f"the {word} service is {state}, try again in a moment")
    if advice:
        return "; ".join(advice)
    return "start it with `systemctl start artac` or `systemctl --user start artac`"


def _state(systemctl: list[str]) -> str:
    import subprocess

    try:
        asked = subprocess.run(
            [*systemctl, "is-active", "artac.service"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return asked.stdout.strip()
