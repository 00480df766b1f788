"""What a session's tree consists of and holds."""

from __future__ import annotations

from ..host import cgroups, processes
from ..keeper.tree import descendants
from .session import Session


def memory_bytes(session: Session) -> int | None:
    """What its whole tree holds, keeper included: as charged to its cgroup, else by RSS."""
    if not session.live or session.keeper is None:
        return None
    if session.cgroup is not None:
        charged = cgroups.memory_bytes(session.cgroup)
        if charged is not None:
            return charged
    return processes.resident_bytes(pids(session))


def pids(session: Session) -> list[int]:
    """Its processes, the keeper's first; none once its keeper is gone."""
    keeper = session.keeper
    if not session.live or keeper is None:
        return []
    if session.cgroup is not None:
        return sorted(cgroups.pids(session.cgroup), key=lambda pid: pid != keeper.pid)
    if not processes.is_alive(keeper):
        return []
    return [keeper.pid, *descendants(keeper.pid)]
