"""The permission requests of one session: what waits, and what became of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ..claude import stream
from ..model.errors import ArtacError, ErrorKind
from ..model.permission import Outcome, PermissionRequest, short_id
from ..model.session import State

# How many are remembered after they were settled.
_REMEMBERED = 256


@dataclass(frozen=True)
class Entry:
    """A request, what it is called here, and what became of it; None: it waits."""

    id: str
    asked: PermissionRequest
    since: float
    outcome: Outcome | None = None
    by: str = ""


class Permissions:
    """The requests of one session, as its output tells of them."""

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id
        self._entries: dict[str, Entry] = {}  # by Claude's id, oldest first
        self.answering: dict[str, str] = {}  # by Claude's id: by whom
        self.on_change: Callable[[Entry], None] = lambda entry: None

    def waiting(self) -> list[Entry]:
        """Those that wait for an answer."""
        return [entry for entry in self._entries.values() if entry.outcome is None]

    def all(self) -> list[Entry]:
        """Those that wait, and the latest that do not any more."""
        return list(self._entries.values())

    def take(self, seen: stream.Seen, at: float) -> None:
        """Take in what a line of output said at that time."""
        for asked in seen.asked:
            if asked.request_id not in self._entries:
                name = short_id(self._session_id, asked.request_id)
                self._put(Entry(name, asked, at))
        if seen.answered:
            self.settle(seen.answered, seen.outcome or Outcome.WITHDRAWN)
        gone = seen.tools_done
        for entry in self.waiting():
            # Claude is never idle with a request open.
            if entry.asked.tool_use_id in gone or seen.state is State.IDLE:
                self.settle(entry.asked.request_id, Outcome.WITHDRAWN)

    def settle(self, request_id: str, outcome: Outcome) -> None:
        """It does not wait any more; whatever is said of it later changes nothing."""
        entry = self._entries.get(request_id)
        if entry is not None and entry.outcome is None:
            by = "" if outcome is Outcome.WITHDRAWN else self.answering.get(request_id, "")
            self._put(replace(entry, outcome=outcome, by=by))

    def find(self, reference: str) -> Entry:
        """By its id, the start of that, or Claude's own id."""
        entries = self._entries.values()
        exact = [e for e in entries if reference in (e.id, e.asked.request_id)]
        found = exact or [e for e in entries if reference and e.id.startswith(reference)]
        if len(found) > 1:
            found = [entry for entry in found if entry.outcome is None]
        if len(found) != 1:
            ids = ", ".join(entry.id for entry in found)
            raise ArtacError(
                ErrorKind.CONFLICT if found else ErrorKind.NOT_FOUND,
                f"{reference!r} means several requests ({ids}): say more"
                if found
                else f"there is no permission request {reference!r} in session "
                f"{self._session_id}; `artac permissions` lists them",
            )
        return found[0]

    def _put(self, entry: Entry) -> None:
        self._entries[entry.asked.request_id] = entry
        settled = [key for key, known in self._entries.items() if known.outcome is not None]
        for key in settled[: max(0, len(settled) - _REMEMBERED)]:
            del self._entries[key]
        self.on_change(entry)
