"""Process care: nothing of a session that ends with the service outlives it, and no cgroup stays.

Persistent sessions are never registered here: nobody watches or cleans what is to be left alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..host import cgroups, processes
from ..host.inotify import GrowthWatch
from ..model.errors import ArtacError, ErrorKind
from .session import Session

log = logging.getLogger("artac.care")


class ProcessCare:
    """Told of changes by the kernel (cgroup.events); looks at nothing in between."""

    def __init__(self, growth: GrowthWatch) -> None:
        self._growth = growth
        self._watches: dict[str, Callable[[], None]] = {}

    def has(self, session_id: str) -> bool:
        """Whether that session's processes are watched."""
        return session_id in self._watches

    def take(self, session: Session) -> None:
        """Watch the cgroup of a session, if it has one and is not to be left alone."""
        if session.spec.persistent or session.cgroup is None or self.has(session.spec.id):
            return
        try:
            watch = self._growth.add(session.cgroup / "cgroup.events", lambda: self._look(session))
        except FileNotFoundError:
            what = "the session's cgroup is gone"
            raise ArtacError(ErrorKind.NOT_RUNNING, what) from None
        self._watches[session.spec.id] = watch

    def release(self, session_id: str) -> None:
        """Watch it no more, and do nothing else: it has become persistent, or is gone."""
        watch = self._watches.pop(session_id, None)
        if watch is not None:
            watch()

    def ended(self, session: Session) -> None:
        """Clean up after a session: at once where its keeper did not live to do it."""
        self._look(session)

    def _look(self, session: Session) -> None:
        if session.live or session.cgroup is None or not self.has(session.spec.id):
            return
        if not cgroups.populated(session.cgroup):
            self.release(session.spec.id)
            cgroups.remove(session.cgroup)
        elif session.keeper is None or not processes.is_alive(session.keeper):
            # The keeper ends the tree before it leaves: what is still here has lost it.
            left = len(cgroups.pids(session.cgroup))
            log.warning("%d processes left behind: killed", left, extra=session.about("reaped"))
            cgroups.thaw(session.cgroup)
            cgroups.kill(session.cgroup)
