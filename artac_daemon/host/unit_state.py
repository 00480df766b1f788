"""What systemd has to say of one unit now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from . import scopes

# systemctl answers in milliseconds; a manager that is busy shutting down may not.
_LIMIT = 5.0
_PROPERTIES = "LoadState,ActiveState,SubState,Result,NRestarts"


@dataclass(frozen=True)
class UnitState:
    """`problem` says why systemd could not be asked; the rest is "" then."""

    unit: str
    loaded: bool = False  # systemd forgets a scope with its end
    active: str = ""
    sub: str = ""
    result: str = ""
    restarts: str = ""  # of a service
    problem: str = ""


async def ask(unit: str, user_manager: bool) -> UnitState:
    """Ask the system's manager, or this account's own; never raises."""
    manager = ["--user"] if user_manager else []
    command = ["systemctl", *manager, "show", f"--property={_PROPERTIES}", "--", unit]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=scopes.environment(),
        )
    except OSError as error:
        return UnitState(unit, problem=f"systemctl: {error.strerror}")
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _LIMIT)
    except TimeoutError:
        process.kill()
        await process.wait()
        return UnitState(unit, problem=f"systemd did not answer within {_LIMIT:g} s")
    if process.returncode:
        return UnitState(unit, problem=" ".join(errors.decode("utf-8", "replace").split()))
    return read(unit, output.decode("utf-8", "replace"))


def read(unit: str, shown: str) -> UnitState:
    """The state in what `systemctl show` printed."""
    row = dict(line.partition("=")[::2] for line in shown.splitlines())
    return UnitState(
        unit,
        loaded=row.get("LoadState") == "loaded",
        active=row.get("ActiveState", ""),
        sub=row.get("SubState", ""),
        result=row.get("Result", ""),
        restarts=row.get("NRestarts", ""),
    )
