"""The life of all sessions, as events: told in order, each end exactly once over all backends.

`STATE/events` is the memory of what was told. What a killed backend did not get to tell is told by
the next one at its start: it compares the sessions that it finds with what is in the file.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..model.end import EndFacts, verdict
from ..model.session import Placement
from .event_file import LIMIT, EventFile
from .session import Session
from .state_times import Histories

log = logging.getLogger("artac.events")

# A line for the next backend, not for readers: what the lines say that are about to be dropped.
CHECKPOINT = "checkpoint"


@dataclass
class Tally:
    """What was told since this backend started; ends that came before it are among them."""

    started: int = 0
    adopted: int = 0
    failed_starts: int = 0
    ends: Counter[str] = field(default_factory=Counter)  # by reason
    stops: Counter[str] = field(default_factory=Counter)  # by why: stop, kill, drain
    state_seconds: dict[str, float] = field(default_factory=dict)  # of ended ones, by state

    def add_times(self, session: Session) -> None:
        """A session runs no more: what was measured of it stays counted."""
        for state, seconds in session.times.measured(time.time()).items():
            self.state_seconds[state] = self.state_seconds.get(state, 0.0) + seconds


@dataclass
class _Told:
    """What readers know of a session that is not removed."""

    name: str
    ended: bool


class EventLog:
    """Tells; a disk that is full makes events late or lost, and stops nothing."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.file = EventFile(path, self._checkpoint, limit)
        self.tally = Tally()
        self.starts = 0  # of backends over this state directory, this one among them
        self.histories = Histories()
        self._told: dict[str, _Told] = {}
        self._announced: set[str] = set()  # started or adopted by this backend
        self._untold: list[Session] = []  # ended while nothing could be written

    def open(self) -> None:
        """Take in what earlier backends told, and tell of this one."""
        try:
            self.file.open()
            for record in self.file.records():
                self._take_in(record)
        except OSError:
            pass  # the first line that is to be written says so
        self.starts += 1
        self.write("backend-started", version=__version__, starts=self.starts)

    def close(self) -> None:
        self.file.close()

    def write(
        self, event: str, session: Session | None = None, at: float | None = None, **fields: Any
    ) -> bool:
        """Tell an event, of a session or of the backend; whether it could be written.

        What happens to a session before its start is through, or before it is taken up, is not
        told: until then nobody has heard of it.
        """
        self._retry()
        return self._of(event, session, at, fields)

    def _of(
        self, event: str, session: Session | None, at: float | None, fields: dict[str, Any]
    ) -> bool:
        if session is not None and session.spec.id not in self._announced:
            return False
        if event == "stop-asked":
            self.tally.stops[str(fields.get("why"))] += 1
        spec = session.spec if session else None
        return self._write(
            event, spec.id if spec else None, spec.name if spec else None, at, fields
        )

    def started(self, session: Session) -> None:
        """A start is through: Claude runs."""
        self.tally.started += 1
        self._announce(session)

    def adopted(self, session: Session) -> None:
        """A session of an earlier backend was taken up."""
        self.tally.adopted += 1
        self._announce(session)
        self.write("adopted", session, state=session.state.value)

    def ended(self, session: Session) -> None:
        """A session has ended; told once, however often this is called."""
        self._retry()
        self._end(session)

    def _end(self, session: Session) -> None:
        end = session.end
        told = self._told.get(session.spec.id)
        # Not announced: a start that fails. One that does not is told by `started`.
        if end is None or session.spec.id not in self._announced or (told and told.ended):
            return
        fields = {"reason": end.reason.value, "sentence": end.sentence}
        if not self._of("ended", session, end.facts.at, fields):
            self._untold.append(session)
            return
        self.tally.ends[end.reason.value] += 1
        self._told.setdefault(session.spec.id, _Told(session.spec.name, True)).ended = True

    def removed(self, session_id: str) -> None:
        """A session's record and output are no more."""
        self._retry()
        self._announced.discard(session_id)
        told = self._told.get(session_id)
        if told is None:
            return
        if not told.ended:
            facts = EndFacts(
                at=time.time(), lost="its record is gone, so how it ended is not known"
            )
            end = verdict(facts, Placement.DETACHED)
            fields = {"reason": end.reason.value, "sentence": end.sentence}
            if not self._write("ended", session_id, told.name, None, fields):
                return
            self.tally.ends[end.reason.value] += 1
            told.ended = True
        if self._write("removed", session_id, told.name, None, {}):
            del self._told[session_id]

    def catch_up(self, sessions: Iterable[Session], on_disk: Iterable[str]) -> None:
        """Tell what happened that no backend has told, once the sessions are found."""
        for session in sessions:
            if session.end is not None:
                self._announce(session)
        for session_id in set(self._told) - set(on_disk):
            self.removed(session_id)

    def _announce(self, session: Session) -> None:
        spec = session.spec
        self._announced.add(spec.id)
        if spec.id not in self._told:
            live = {} if session.end else {"state": session.state.value}
            if self.write(
                "started",
                session,
                spec.created_at,
                kind=spec.kind.value,
                placement=spec.placement.value,
                persistent=spec.persistent,
                cwd=spec.cwd,
                by=spec.created_by,
                **live,
            ):
                self._told[spec.id] = _Told(spec.name, False)
        self.ended(session)

    def _write(
        self,
        event: str,
        session_id: str | None,
        name: str | None,
        at: float | None,
        fields: dict[str, Any],
    ) -> bool:
        when = time.time() if at is None else at
        record = {"at": when, "event": event, "session": session_id, "name": name}
        return self.file.append({**record, **fields})

    def _retry(self) -> None:
        untold, self._untold = self._untold, []
        for session in untold:
            self._end(session)

    def _checkpoint(self) -> None:
        told = {key: [item.name, item.ended] for key, item in self._told.items()}
        self.file.append({"event": CHECKPOINT, "starts": self.starts, "told": told})

    def _take_in(self, record: dict[str, Any]) -> None:
        event, session_id = record["event"], str(record.get("session"))
        try:
            self.histories.take(record)
            if event == "backend-started":
                self.starts = int(record["starts"])
            elif event == "started":
                self._told[session_id] = _Told(str(record["name"]), False)
            elif event == "ended":
                self._told.setdefault(session_id, _Told(str(record["name"]), True)).ended = True
            elif event == "removed":
                self._told.pop(session_id, None)
            elif event == CHECKPOINT:
                self.starts = int(record["starts"])
                self._told |= {
                    key: _Told(str(name), bool(ended))
                    for key, (name, ended) in record["told"].items()
                }
        except (KeyError, ValueError, TypeError, AttributeError):
            return  # damaged
