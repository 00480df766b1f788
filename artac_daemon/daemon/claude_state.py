"""What Claude tells of itself: in its output, or in a terminal through its hooks and registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ..claude import piped, stream, told
from ..claude.hooks import Hook
from ..host.inotify import GrowthWatch
from ..host.store import HOOKS
from ..model.session import Identity, Kind, SessionSpec, State
from .activity import Activity
from .follow import Follower
from .messages import Messages
from .permissions import Permissions
from .terminal_state import TerminalState

_AT_WORK = (State.WORKING, State.NEEDS_PERMISSION, State.RETRYING)


class ClaudeState:
    """Followed from `follow` to `close`. What its keeper or artac knows besides is not in it."""

    def __init__(
        self,
        spec: SessionSpec,
        directory: Path,
        growth: GrowthWatch,
        messages: Messages,
        tell: Callable[[State], None],
        changed: Callable[[], None],
        stopping: Callable[[], bool],
    ) -> None:
        """`tell` gets each state, the same one again too; `changed` is called for all else.

        `stopping` says whether somebody has asked for an end."""
        self.state = State.STARTING
        self.turns = 0
        self.cost_usd: float | None = None
        self.permissions = Permissions(spec.id)
        self.activity = Activity()
        self.heard: Callable[[Hook], None] = lambda hook: None  # of a terminal, from now on
        self._spec = spec
        self._directory = directory
        self._output = directory / "output"
        self._growth = growth
        self._messages = messages
        self._tell, self._changed, self._stopping = tell, changed, stopping
        self._said = State.STARTING  # by Claude itself, last
        self._follower: Follower | None = None
        self._terminal: TerminalState | None = None

    @property
    def busy(self) -> bool:
        """Whether Claude is at a turn, or has one to begin with."""
        return self.state in _AT_WORK or self._messages.waiting

    @property
    def transcript(self) -> str:
        """The file of a terminal's conversation; "" where no hook has told of it."""
        return self._terminal.transcript if self._terminal is not None else ""

    @property
    def _is_silent(self) -> bool:
        """Whether it has a program, and says nothing before its answer."""
        return self._spec.kind is Kind.PIPED and piped.TELLS not in self._spec.claude_args

    def begin(self) -> None:
        """Its process is there: at work from its start to its end if it says nothing meanwhile."""
        if self._is_silent:
            self._says(State.WORKING)

    def follow(self, claude: Identity | None, registry: Path | None, from_last_state: bool) -> None:
        """Read what it tells from now on. `registry` is the directory where a terminal's notes
        what it does; None: as its environment says."""
        if self._spec.kind is Kind.ADOPTED or self._is_silent:
            return
        if self._spec.kind is Kind.TERMINAL:
            self._follow_terminal(claude, registry)
            return
        if self._follower is not None:
            self._follower.close()
        self._follower = Follower(self._output, self._growth, self.take)
        since = self._messages.follow_from()
        if from_last_state:
            self._follower.start_at_last_state(since)
        else:
            self._follower.start()

    def _follow_terminal(self, claude: Identity | None, registry: Path | None) -> None:
        if self._terminal is not None:
            self._terminal.close()
        self._terminal = TerminalState(
            self._directory / HOOKS,
            claude,
            self._spec.created_at,
            self._growth,
            self._says,
            lambda hook: self.heard(hook),
            directory=registry,
        )
        self._terminal.start()

    async def know(self, offset: int) -> None:
        """Take in the output up to there: what one answer told, the next must not contradict."""
        if self._follower is not None:
            await self._follower.reach(offset)

    def catch_up(self) -> None:
        """Take in all that is there now."""
        if self._follower is not None:
            self._follower.catch_up()

    def close(self) -> None:
        """Follow it no further."""
        if self._follower is not None:
            self._follower.close()
            self._follower = None
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    def accepted(self) -> None:
        """A message was accepted: it has something to do."""
        if self.state is State.IDLE and self._messages.waiting:
            self._says(State.WORKING)

    def settled(self) -> None:
        """A message does not wait any more: one that was taken back leaves Claude at rest."""
        at_rest = self._said is State.IDLE and self.state is State.WORKING
        if at_rest and not self._messages.waiting:
            self._says(State.IDLE)

    def goes_on(self) -> None:
        """It was given all that it waited for, and will say so."""
        if self.state is State.NEEDS_PERMISSION and not self.permissions.waiting():
            self._says(State.WORKING)

    def take(self, seen: stream.Seen, offset: int) -> None:
        """Take in what a line of its output, which ends at that offset, tells."""
        if self._spec.kind is Kind.PIPED:
            seen = told.with_state(seen, self.state)
        written = self._written_at()
        self.activity.take(seen, written)
        self.permissions.take(seen, written)
        self._said = seen.state or self._said
        self._messages.hear(seen, offset, written, self._stopping())
        if seen.result is not None:
            self.turns += 1
            self.cost_usd = seen.result.cost_usd
            self._changed()
        if seen.initialized and self.state is State.STARTING:
            self._says(State.IDLE)
        if seen.retry is not None:
            self._says(State.RETRYING)
        elif self.state is State.RETRYING:
            self._says(seen.state or State.WORKING)
        elif seen.state is not None:
            self._says(seen.state)

    def _says(self, state: State) -> None:
        if state is State.IDLE and self._messages.waiting:
            state = State.WORKING  # said before it has read what was accepted
        self.state = state
        self._tell(state)

    def _written_at(self) -> float:
        """When what is read now was written, or somewhat later."""
        try:
            return self._output.stat().st_mtime
        except FileNotFoundError:
            return time.time()
