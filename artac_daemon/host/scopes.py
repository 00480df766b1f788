"""Transient scopes of the service user's own manager, by systemd's own tools.

Nothing here needs a privilege: it is always `--user`. The system manager would want a polkit rule
that amounts to root (StartTransientUnit cannot be narrowed on systemd 252).
"""

from __future__ import annotations

import asyncio
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind
from ..model.session import id_of_unit, unit_name
from . import cgroups

SLICE = "artac.slice"
LINGER = Path("/var/lib/systemd/linger")

# How long systemd waits between SIGTERM and SIGKILL when a scope is stopped or the machine goes
# down: the session's own grace and the keeper's steps after it have to fit.
_STOP_MARGIN = 10.0


@dataclass(frozen=True)
class Scope:
    unit: str
    id: str
    description: str
    cgroup: str


def booted() -> bool:
    """Whether systemd is this machine's init (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def account() -> str:
    """The name of the account that this process runs as."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def lingers(user: str) -> bool:
    """Whether logind keeps that account's manager running without a login."""
    return (LINGER / user).exists()


def runtime_directory() -> str:
    """XDG_RUNTIME_DIR; a system service has none in its environment, its account does."""
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


def environment() -> dict[str, str]:
    """What systemd's tools need to find the user manager, and nothing of ours."""
    runtime = runtime_directory()
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS", f"unix:path={runtime}/bus")
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "XDG_RUNTIME_DIR": runtime,
        "DBUS_SESSION_BUS_ADDRESS": bus,
        "LC_ALL": "C.UTF-8",
        "SYSTEMD_PAGER": "",
        "SYSTEMD_COLORS": "0",
    }


def command(
    session_id: str, instance: Path, stop_grace: float, limits: list[str], keeper: list[str]
) -> list[str]:
    """The command that becomes the keeper inside a new scope: `systemd-run --scope` execs it.

    `limits` are unit properties.
    """
    return [
        "systemd-run",
        "--user",
        "--scope",
        "--quiet",
        f"--unit={unit_name(session_id)}",
        *(row.option for row in properties(session_id, instance, stop_grace)),
        *(f"--property={limit}" for limit in limits),
        "--",
        *keeper,
    ]


@dataclass(frozen=True)
class Property:
    """One property of a scope, for `systemd-run` and for a call of StartTransientUnit."""

    option: str
    name: str
    signature: str
    value: str


def properties(session_id: str, instance: Path, stop_grace: float) -> tuple[Property, ...]:
    """What every session's scope is made with, whichever way it comes to be.

    Without a description systemd-run would put the command line into the journal. KillMode=mixed
    would mean SIGKILL at once, as a scope has no main process. OOMPolicy=continue keeps the
    session when the kernel takes one of its processes. CollectMode drops the unit if it fails.
    """
    description = describe(session_id, instance)
    stop = stop_grace + _STOP_MARGIN
    return (
        Property(f"--description={description}", "Description", "s", description),
        Property(f"--slice={SLICE}", "Slice", "s", SLICE),
        Property("--collect", "CollectMode", "s", "inactive-or-failed"),
        Property("--property=KillMode=control-group", "KillMode", "s", "control-group"),
        Property(
            f"--property=TimeoutStopSec={stop:g}s", "TimeoutStopUSec", "t", f"{stop * 1e6:.0f}"
        ),
        Property("--property=OOMPolicy=continue", "OOMPolicy", "s", "continue"),
        Property("--property=Delegate=yes", "Delegate", "b", "true"),
    )


def describe(session_id: str, instance: Path) -> str:
    """A scope's description; the state directory in it tells whose the scope is."""
    return f"artac session {session_id} of {instance}"


async def manager_problem() -> str:
    """Why the user manager cannot be asked for a scope; "" when it can."""
    code, _, errors = await run_tool("systemctl", "--user", "show", "--property=Version")
    return "" if code == 0 else errors.strip() or f"systemctl --user: exit code {code}"


async def machine_stopping() -> bool:
    """Whether the machine is being shut down or started again."""
    _, output, _ = await run_tool("systemctl", "is-system-running")
    return output.strip() == "stopping"


async def manager_cgroup() -> str:
    """The user manager's own cgroup, which has what its units can have; "" when it is not there."""
    _, output, _ = await run_tool(
        "systemctl", "--user", "show", "--property=ControlGroup", "--value"
    )
    return output.strip()


async def set_properties(unit: str, properties: list[str]) -> None:
    """Set properties of a unit for as long as it is loaded; ArtacError(FAILED) if refused."""
    command = ("systemctl", "--user", "set-property", "--runtime", unit, *properties)
    code, _, errors = await run_tool(*command)
    if code != 0:
        raise ArtacError(ErrorKind.FAILED, f"systemd did not limit {unit}: {errors.strip()}")


async def wait_for_manager(seconds: float) -> str:
    """Wait until the user manager answers; why it does not, after that time.

    logind starts it a moment after boot or enable-linger, and there is no event to be had before
    its socket exists: the one place that asks again, bounded, and only at start.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while problem := await manager_problem():
        if asyncio.get_running_loop().time() >= deadline:
            break
        await asyncio.sleep(0.1)
    return problem


async def enable_linger(user: str) -> str:
    """Ask logind to keep this account's manager running; why it refused, or "".

    An account may do this for itself without a rule (set-self-linger), but has to give its name.
    """
    code, _, errors = await run_tool("loginctl", "enable-linger", user)
    return "" if code == 0 else errors.strip()


async def list_scopes() -> list[Scope]:
    """Every session scope of the user manager, those of other instances too."""
    properties = "--property=Id,Description,ControlGroup,ActiveState"
    code, output, errors = await run_tool(
        "systemctl", "--user", "show", "--all", properties, unit_name("*")
    )
    if code != 0:
        raise ArtacError(ErrorKind.FAILED, f"systemctl --user show: {errors.strip()}")
    scopes = []
    for block in output.split("\n\n"):
        row = dict(line.partition("=")[::2] for line in block.splitlines())
        session_id = id_of_unit(row.get("Id", ""))
        if session_id and row.get("ActiveState") not in (None, "inactive", "failed"):
            group = row.get("ControlGroup", "")
            scopes.append(Scope(row["Id"], session_id, row.get("Description", ""), group))
    return scopes


def is_populated(scope: Scope) -> bool:
    """Whether any process is in it: a scope can be active and empty (a ghost)."""
    return bool(scope.cgroup) and cgroups.populated(cgroups.absolute(scope.cgroup))


async def end(scope: Scope) -> None:
    """End a scope's whole tree and the unit with it."""
    if scope.cgroup:
        directory = cgroups.absolute(scope.cgroup)
        cgroups.kill(directory)
    await run_tool("systemctl", "--user", "stop", scope.unit)


async def run_tool(*command: str) -> tuple[int, str, str]:
    """Run one of systemd's tools: its exit code, output and errors; 127 if it is not there."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
    except OSError as error:
        return 127, "", f"{command[0]}: {error.strerror}"
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace"), errors.decode()
