"""Starting a keeper where its session is to live, and making sure that it does live there."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..host import cgroups, limits, processes, scopes
from ..keeper import __file__ as keeper_package
from ..model.errors import ArtacError, ErrorKind
from ..model.limits import Limits
from ..model.session import Kind, Placement, unit_name
from . import homes
from . import link as links

# Who is at a session besides the backend, in the keeper's words.
_AT_IT = {Kind.TERMINAL: ("terminal",), Kind.PIPED: ("piped",)}

KEEPER = str(Path(keeper_package).with_name("__main__.py"))


@dataclass
class Started:
    """A keeper in its place, waiting to be told what to run."""

    link: links.Link
    hello: links.Hello
    cgroup: Path | None  # None where there is none to be had
    # How the keeper ended, as Popen.returncode has it; None while it lives.
    status: Callable[[], int | None]


class Places:
    """The placements that this backend can use; decided once at start, never changed silently."""

    def __init__(self, service: cgroups.ServiceCgroup | None, instance: Path) -> None:
        self._service = service
        self._instance = instance

    @property
    def service_sessions(self) -> str:
        """The cgroup that has those of sessions in `service` placement; "" where there is none."""
        return f"{self._service.name}/sessions" if self._service is not None else ""

    async def start(
        self,
        session_id: str,
        placement: Placement,
        directory: Path,
        grace: float,
        limit: float,
        granted: Limits,
        kind: Kind = Kind.HEADLESS,
    ) -> Started:
        """Start a keeper and check its cgroup; nothing is left of one that is refused.

        `grace` and `limit` are seconds: what a stopped scope's processes get, and how long the
        keeper may take. `granted` is in effect before the keeper is. ArtacError(FAILED) with what
        systemd said when it cannot be placed.
        """
        keeper = [sys.executable, "-I", "-S", KEEPER, session_id, *_AT_IT.get(kind, ())]
        if placement is Placement.SCOPE:
            properties = limits.properties(granted)
            keeper = scopes.command(session_id, self._instance, grace, properties, keeper)
        ours, theirs = socket.socketpair()
        try:
            process = subprocess.Popen(
                keeper,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=directory,
                env=scopes.environment(),
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise ArtacError(ErrorKind.FAILED, f"{keeper[0]}: {error.strerror}") from None
        finally:
            theirs.close()
        try:
            if placement is Placement.SERVICE:
                self._enter_service(session_id, process.pid, granted)
            link = await links.over(ours)
            hello = await self._hello(link, process, limit)
            cgroup = self.cgroup(session_id, placement, process.pid)
        except BaseException:
            # Nothing runs under it yet, and it is our own unreaped child: killing it is safe.
            process.kill()
            process.wait()
            self.clear(session_id, placement)
            raise
        finally:
            assert process.stderr is not None
            process.stderr.close()
        # It is our child for as long as we live: reap it when it ends, whoever is asking.
        processes.ExitWatch(process.pid, lambda: _reap(process))
        return Started(link, hello, cgroup, process.poll)

    def clear(self, session_id: str, placement: Placement) -> None:
        """Remove what a failed start leaves of its placement; a scope goes by itself."""
        if placement is Placement.SERVICE and self._service is not None:
            cgroups.remove(cgroups.absolute(self._service.name_of(session_id)))

    def _enter_service(self, session_id: str, pid: int, granted: Limits) -> None:
        if self._service is None:
            raise ArtacError(ErrorKind.FAILED, "this backend has no cgroup of its own")
        try:
            directory = self._service.make(session_id)
            limits.bound(directory, granted)
            self._service.enter(directory, pid)
        except OSError as error:
            raise ArtacError(
                ErrorKind.FAILED, f"the session's cgroup cannot be made: {error.strerror}"
            ) from None

    def cgroup(self, session_id: str, placement: Placement, pid: int) -> Path | None:
        """The cgroup of a session, if its keeper is where it belongs; ArtacError if not."""
        if placement is Placement.DETACHED:
            return None
        actual = cgroups.of_process(pid).removesuffix("/keeper")
        if self._placement_of(session_id, actual) is not placement:
            raise ArtacError(
                ErrorKind.FAILED,
                f"the keeper of {session_id} is in the cgroup {actual or '(none)'}, "
                f"not in its own: not trusted",
            )
        return cgroups.absolute(actual)

    def placement(self, session_id: str, recorded: Placement, pid: int) -> Placement:
        """Where that keeper is, of the two places that its session can be moved between.

        The recorded one where it is in neither.
        """
        if recorded is Placement.DETACHED:
            return recorded
        actual = cgroups.of_process(pid).removesuffix("/keeper")
        return self._placement_of(session_id, actual) or recorded

    def _placement_of(self, session_id: str, cgroup: str) -> Placement | None:
        if os.path.basename(cgroup) == unit_name(session_id):
            return Placement.SCOPE
        if self._service is not None and cgroup == self._service.name_of(session_id):
            return Placement.SERVICE
        return None

    def home(
        self, session_id: str, placement: Placement, grace: float, cgroup: Path | None = None
    ) -> homes.Home:
        """A place for a session; `cgroup` is where a scope that is there has its own.

        ArtacError(CONFIG) where this backend has no cgroup for sessions.
        """
        if placement is Placement.SCOPE:
            return homes.ScopeHome(session_id, self._instance, grace, cgroup)
        if self._service is None:
            raise ArtacError(
                ErrorKind.CONFIG,
                "this backend has no cgroup of its own for sessions: its unit needs Delegate=yes",
            )
        return homes.ServiceHome(self._service, session_id)

    @staticmethod
    async def _hello(
        link: links.Link, process: subprocess.Popen[bytes], limit: float
    ) -> links.Hello:
        try:
            hello = await asyncio.wait_for(link.hello(), limit)
        except TimeoutError:
            raise ArtacError(
                ErrorKind.TIMEOUT, f"the keeper did not come up within {limit:g} s"
            ) from None
        except ArtacError:
            code = process.wait()
            assert process.stderr is not None
            said = process.stderr.read().decode("utf-8", "replace").strip().replace("\n", "; ")
            raise ArtacError(
                ErrorKind.FAILED,
                f"the session could not be placed: {said or f'its keeper exited with {code}'}",
            ) from None
        # systemd-run --scope execs in place, so the pid that we started is the keeper's.
        if hello.keeper.pid != process.pid:
            raise ArtacError(ErrorKind.FAILED, "another process answered for the keeper")
        return hello


def _reap(process: subprocess.Popen[bytes]) -> None:
    process.wait()
