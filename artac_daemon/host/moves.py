"""Moving processes between units, by the two calls that systemd has for it.

The kernel lets a process be moved only by who may write to a cgroup above both places. That is
systemd: it does so unprivileged for processes and units of the caller's own uid, where the unit is
delegated.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind
from ..model.session import unit_name
from . import scopes

_MANAGER = (
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
)


async def start_scope(session_id: str, instance: Path, grace: float, pids: Sequence[int]) -> None:
    """Make a session's scope around processes that run; they are in it when this returns.

    ArtacError(FAILED) with what systemd said: then none of them was moved.
    """
    unit = unit_name(session_id)
    rows = scopes.properties(session_id, instance, grace)
    given = [word for row in rows for word in (row.name, row.signature, row.value)]
    await _call(
        "--user",
        *("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", str(len(rows) + 1)),
        *given,
        *("PIDs", "au", str(len(pids)), *map(str, pids)),
        "0",
    )
    # The call only queues the job. A second start joins it, and systemctl waits for its result.
    code, _, errors = await scopes.run_tool("systemctl", "--user", "start", unit)
    if code != 0:
        raise ArtacError(ErrorKind.FAILED, f"systemd did not start {unit}: {_line(errors)}")


async def attach(unit: str, below: str, pids: Sequence[int], user: bool) -> None:
    """Move processes into a cgroup below a unit's (`/sub/cgroup`, made if need be).

    ArtacError(FAILED) with what systemd said. One process that has ended meanwhile makes systemd
    refuse the others too, before any is moved.
    """
    manager = "--user" if user else "--system"
    words = ("AttachProcessesToUnit", "ssau", unit, below, str(len(pids)), *map(str, pids))
    await _call(manager, *words)


async def _call(manager: str, *words: str) -> None:
    code, _, errors = await scopes.run_tool("busctl", manager, "--quiet", "call", *_MANAGER, *words)
    if code != 0:
        raise ArtacError(ErrorKind.FAILED, f"systemd refused: {_line(errors)}")


def _line(errors: str) -> str:
    said = errors.strip().removeprefix("Call failed: ").replace("\n", "; ")
    return said or "no reason given"
