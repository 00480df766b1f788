"""The two places under systemd that a session can live in, and getting processes into them.

A session's cgroup has the leaf `keeper` for its keeper and the leaf `claude` for all the rest.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..host import cgroups, freezing, moves
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Identity, Placement, unit_name

# Frozen processes neither fork nor end: one round is enough, but for what was killed meanwhile.
_ROUNDS = 10
# Above what the machine's own limit of a command line's length lets pass in one call.
_AT_ONCE = 2000


class Home:
    """One of them, for one session."""

    def __init__(
        self, placement: Placement, unit: str, below: str, user: bool, cgroup: Path | None
    ) -> None:
        self.placement = placement
        self._unit, self._below, self._user = unit, below, user
        self.cgroup = cgroup  # None: it is not there yet

    @property
    def leaf(self) -> Path:
        """Where all but the keeper lives."""
        return self._there() / "claude"

    async def take_keeper(self, keeper: Identity, source: Path) -> Path:
        """Get the keeper, and what it has for helpers, from there into its leaf; the cgroup.

        The leaf `claude` is there then, and frozen.
        """
        for _ in range(_ROUNDS):
            # A helper of the keeper's may end at any moment, and then systemd refuses them all.
            try:
                await self._fetch([*cgroups.pids(source)] or [keeper.pid])
                break
            except ArtacError:
                if cgroups.pids(source) == [keeper.pid] or not cgroups.pids(source):
                    raise
        else:
            raise ArtacError(ErrorKind.FAILED, "its keeper could not be moved")
        return self._there()

    async def take(self, source: Path) -> None:
        """Get everything that stands still there into the leaf `claude`."""
        problem: ArtacError | None = None
        for _ in range(_ROUNDS):
            pids = cgroups.pids(source)
            if not pids:
                return
            try:
                for start in range(0, len(pids), _AT_ONCE):
                    await self.attach(pids[start : start + _AT_ONCE], "claude")
            except ArtacError as error:
                problem = error
        if cgroups.pids(source):
            raise problem or ArtacError(ErrorKind.FAILED, "processes of it cannot be moved")

    async def attach(self, pids: list[int], leaf: str) -> None:
        await moves.attach(self._unit, f"{self._below}/{leaf}", pids, self._user)

    def stray(self) -> list[int]:
        """Processes in its cgroup that are in neither leaf."""
        kept = {*cgroups.pids(self._there() / "keeper"), *cgroups.pids(self.leaf)}
        return [pid for pid in cgroups.pids(self._there()) if pid not in kept]

    async def _fetch(self, pids: list[int]) -> None:
        raise NotImplementedError

    def _there(self) -> Path:
        assert self.cgroup is not None
        return self.cgroup

    def _make_leaves(self) -> None:
        for leaf in ("keeper", "claude"):
            (self._there() / leaf).mkdir(mode=0o755, exist_ok=True)
        freezing.freeze_empty(self.leaf)


class ScopeHome(Home):
    """A scope of the account's own manager."""

    def __init__(
        self, session_id: str, instance: Path, grace: float, cgroup: Path | None = None
    ) -> None:
        super().__init__(Placement.SCOPE, unit_name(session_id), "", True, cgroup)
        self._id, self._instance, self._grace = session_id, instance, grace

    async def _fetch(self, pids: list[int]) -> None:
        if self.cgroup is not None and cgroups.populated(self.cgroup):
            self._make_leaves()
            await self.attach(pids, "keeper")
            return
        await moves.start_scope(self._id, self._instance, self._grace, pids)
        where = cgroups.of_process(pids[0])
        if os.path.basename(where) != self._unit:
            raise ArtacError(ErrorKind.FAILED, f"systemd did not move it into {self._unit}")
        self.cgroup = cgroups.absolute(where)
        self._make_leaves()
        # systemd puts them into the scope's root, from where its delegate may take them.
        procs = self.cgroup / "cgroup.procs"
        while found := procs.read_text().split():
            for pid in found:
                _enter(self.cgroup / "keeper", pid)


class ServiceHome(Home):
    """The cgroup of a session in the service's own."""

    def __init__(self, service: cgroups.ServiceCgroup, session_id: str) -> None:
        below = f"/sessions/session-{session_id}"
        cgroup = cgroups.absolute(service.name_of(session_id))
        super().__init__(Placement.SERVICE, service.unit, below, service.of_user_manager, cgroup)

    async def _fetch(self, pids: list[int]) -> None:
        self._there().mkdir(mode=0o755, exist_ok=True)
        self._make_leaves()
        await self.attach(pids, "keeper")


def _enter(leaf: Path, pid: str) -> None:
    try:
        (leaf / "cgroup.procs").write_text(pid)
    except ProcessLookupError:
        return
