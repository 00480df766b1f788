"""One session as the backend sees it: what its keeper and its output say of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..claude import stream
from ..claude.first_run import Question
from ..host import cgroups, processes
from ..host.inotify import GrowthWatch
from ..host.journal import about
from ..host.message_ids import MessageId
from ..host.store import Store
from ..keeper import counters
from ..model.end import End, EndFacts, keeper_lost, verdict
from ..model.errors import ArtacError, ErrorKind
from ..model.limits import Granted
from ..model.permission import Outcome
from ..model.session import Identity, Kind, SessionSpec, State, StopRequest
from ..model.succession import Succession
from ..model.tally import Tally
from . import link as links
from .change import Change
from .claude_state import ClaudeState
from .delivery import Delivery
from .first_run import FirstRun
from .messages import Messages
from .state_times import StateTimes
from .typed import Typed

log = logging.getLogger("artac.session")

# A keeper answers from memory; one that takes longer than this is stopped or stuck.
ANSWER_LIMIT = 5.0


class Session:
    """Live from its start or adoption to its end; after that a record that can be read."""

    def __init__(self, spec: SessionSpec, store: Store, growth: GrowthWatch) -> None:
        self.spec = spec
        self.state = State.STARTING
        self.state_since = time.time()
        self.stop_request: StopRequest | None = None
        self.end: End | None = None
        self.keeper: Identity | None = None
        self.claude: Identity | None = None
        self.cgroup: Path | None = None
        # As Popen.returncode has it; None too for a keeper that is not this backend's own child.
        self.keeper_status: Callable[[], int | None] = lambda: None
        self.granted: Granted | None = None  # None: a record of before there were limits
        self.first_run: FirstRun | None = None  # of a terminal that this backend has started
        self.protocol = (1, 0)  # its keeper's
        self.succession = Succession.from_json(store.read_succession(spec.id))
        self.placing = asyncio.Lock()  # held while it is moved
        self._on_end: list[Callable[[], None]] = []
        self.tell: Callable[..., object] = lambda event, **fields: None  # see EventLog.write
        self.times = StateTimes(spec.created_at)
        self.directory = store.directory(spec.id)
        self.output = self.directory / "output"
        self._change = Change()
        self.typed = Typed()
        self.messages = Messages(self.directory, self._change)
        self.messages.settled = self._on_settled
        self.claude_state = ClaudeState(
            spec,
            self.directory,
            growth,
            self.messages,
            self._claude_says,
            self._change.tell,
            lambda: self.stop_request is not None,
        )
        self.permissions = self.claude_state.permissions
        self.activity = self.claude_state.activity
        self.delivery = Delivery(
            self.messages, self.output, self.request, self._may_deliver, self.changed
        )
        self._store = store
        self._growth = growth
        self._link: links.Link | None = None
        self._registry: Path | None = None
        self._exit: processes.ExitWatch | None = None
        self._told_end: EndFacts | None = None  # by a keeper that could not write it down
        self._keeper_gone = False
        self._begun = asyncio.Event()  # it was started, or its start has failed
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether its keeper is spoken to."""
        return self._link is not None

    @property
    def live(self) -> bool:
        return self.end is None

    # Coming to be

    def attach(self, link: links.Link, hello: links.Hello, cgroup: Path | None) -> None:
        """Take up a keeper whose identity and cgroup were checked."""
        self.keeper, self.claude, self.cgroup = hello.keeper, hello.claude, cgroup
        self._link, self.protocol = link, hello.protocol
        self.claude_state.begin()
        if self.spec.kind is Kind.ADOPTED:
            self._become(State.RUNNING)
        elif self.state is State.UNRESPONSIVE:
            self._become(self.claude_state.state)
        if hello.claude is not None:
            self._begun.set()
        link.listen(self._on_event, self._on_link_closed)

    def attach_unresponsive(
        self, keeper: Identity, cgroup: Path | None, link: links.Link | None
    ) -> None:
        """A keeper that is alive and has not answered: shown as such until it does."""
        self.keeper, self.cgroup = keeper, cgroup
        self._become(State.UNRESPONSIVE)
        self._begun.set()
        self._watch_exit()
        if link is not None:
            self._start(self._await_hello(link))

    def relocate(self, spec: SessionSpec, cgroup: Path) -> None:
        """It was moved."""
        self.spec, self.cgroup = spec, cgroup
        self._change.tell()

    def launched(self, reply: dict[str, Any], registry: Path | None = None) -> None:
        """The keeper has started Claude, which notes what it does in that directory."""
        self._registry = registry
        self.claude = Identity.from_json(reply["claude"])
        self.follow(from_last_state=False)
        self._begun.set()

    async def begun(self) -> None:
        """Wait for a start under way to succeed or fail."""
        await self._begun.wait()

    def follow(self, from_last_state: bool) -> None:
        """Read the session's state from what Claude tells of it, from now on."""
        if self.live:
            self.claude_state.follow(self.claude, self._registry, from_last_state)
        if self.live and self.spec.kind is Kind.HEADLESS:
            self.delivery.go_on()

    def conclude(self, facts: EndFacts) -> None:
        """The session has ended as told; idempotent."""
        if self.end is not None:
            return
        self.claude_state.catch_up()
        self.end = verdict(facts, self.spec.placement)
        self.release()
        self._become(State.ENDED)
        for callback in list(self._on_end):
            callback()

    def conclude_quietly(self, facts: EndFacts) -> None:
        """It had ended before this backend started: known from then on, and not news."""
        self.end = verdict(facts, self.spec.placement)
        self.state, self.state_since = State.ENDED, facts.at
        self.times.enter(State.ENDED, facts.at)
        self._begun.set()

    def release(self) -> None:
        """Let go of the keeper without a word to it: it and its session go on."""
        self._begun.set()
        for task in self._tasks:
            task.cancel()
        self.delivery.stop()
        self.claude_state.close()
        if self._exit is not None:
            self._exit.cancel()
            self._exit = None
        if self._link is not None:
            self._link.ignore()
            self._link.close()
            self._link = None

    # What is asked of it

    def accepted(self) -> None:
        """A message was accepted: Claude has something to do, and is given it."""
        self.claude_state.accepted()
        self.delivery.go_on()

    async def interrupt(self, limit: float | None = None) -> None:
        """End the running turn; nothing happens to an idle session."""
        self.refuse_adopted("interrupt")
        if self.spec.kind is Kind.TERMINAL:
            await self.begun()
            if asked := self.asks:  # Escape would be an answer: Exit
                raise ArtacError(
                    ErrorKind.CONFLICT,
                    f"session {self.spec.id} has no turn yet: Claude waits for an answer of yours "
                    f"({', '.join(question.dialog for question in asked)})",
                )
            await self.request("write", limit, key="", line="\x1b")
            return
        await self.control(stream.interrupt, limit=limit, verb="interrupt")

    @property
    def asks(self) -> tuple[Question, ...] | None:
        """The dialogs of its start that may still be open; None where that is not known."""
        if self.first_run is None or self.claude is None or not self.live:
            return None
        return self.first_run.open(self.claude.pid)

    def set_granted(self, granted: Granted) -> None:
        """Its limits have changed."""
        self.granted = granted
        self._change.tell()

    def stopping(self) -> None:
        """Somebody wants it to end."""
        if self.live:
            self._become(State.STOPPING)

    async def wait_for(self, states: frozenset[State], seconds: float | None) -> bool:
        """Whether it came to be in one of those states within that time; ended counts as all."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self.state not in states and self.live:
            rest = None if deadline is None else deadline - time.monotonic()
            if rest is not None and rest <= 0:
                return False
            await self.changed(rest)
        return True

    def on_ending(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once it has ended; call what is returned to be left alone."""
        self._on_end.append(callback)
        return lambda: self._on_end.remove(callback) if callback in self._on_end else None

    def forget_callbacks(self) -> None:
        """Tell nobody of its end: it has never been a session for anyone."""
        self._on_end.clear()

    def watch_growth(self, path: Path, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back whenever something was written to one of its files."""
        try:
            return self._growth.add(path, callback)
        except FileNotFoundError:
            return lambda: None  # nothing was started, so nothing will be written

    # What it looks like

    def about(self, event: str, message_id: str = "") -> dict[str, str]:
        return about(self.spec.id, self.spec.name, event, message_id)

    # Within

    async def request(self, op: str, limit: float | None = None, **content: Any) -> dict[str, Any]:
        """Ask its keeper, waiting for a start under way and at most `limit` seconds.

        Without a limit a `write` waits for Claude to read, anything else for a moment.
        """
        await self.begun()
        if self._link is None:
            if self.live and self.state is State.UNRESPONSIVE:
                raise ArtacError(ErrorKind.UNAVAILABLE, f"the keeper of {self.spec.id} is silent")
            raise ArtacError(
                ErrorKind.NOT_RUNNING, f"session {self.spec.id} has ended{self.resumed_as}"
            )
        if limit is None and op != "write":
            limit = ANSWER_LIMIT
        try:
            return await asyncio.wait_for(self._link.request(op, **content), limit)
        except TimeoutError:
            raise ArtacError(
                ErrorKind.UNAVAILABLE, f"the keeper of {self.spec.id} does not answer"
            ) from None

    async def control(
        self,
        line: Callable[..., str],
        *content: str,
        limit: float | None = None,
        verb: str = "control",
    ) -> None:
        """Write a control request to Claude; into a terminal it would be typed."""
        self.must_have(Kind.HEADLESS, verb)
        request_id = stream.new_uuid()
        await self.request("write", limit, key=request_id, line=line(request_id, *content))

    async def ended_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        return await self.wait_for(frozenset({State.ENDED}), seconds) and not self.live

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("event") == "stopping":
            self.stop_request = StopRequest.from_json(event["stop"])
            log.info("stopped by %s", self.stop_request.why, extra=self.about("stop"))
            self.stopping()
        if event.get("event") == "answered":
            allowed = event.get("behavior") == "allow"
            outcome = Outcome.ALLOWED if allowed else Outcome.DENIED
            self.permissions.answering[str(event.get("request"))] = "its program"
            self.permissions.settle(str(event.get("request")), outcome)
            self.claude_state.goes_on()
        if event.get("event") == "ended" and not self._conclude_from_disk():
            # A full disk: the keeper could not write down what it tells.
            try:
                self._told_end = EndFacts.from_json(event["end"])
            except (KeyError, ValueError, TypeError, OverflowError):
                return
            self._start(self.end_here(self._told_end))

    def _conclude_from_disk(self) -> bool:
        """The keeper wrote the end down before it told anyone."""
        stored = self._store.read(self.spec.id)
        if stored.end is None:
            return False
        self.conclude(stored.end)
        return True

    def _on_link_closed(self) -> None:
        self._link = None
        if self.live:
            self._watch_exit()

    def _watch_exit(self) -> None:
        assert self.keeper is not None
        if self._exit is not None:
            return
        self._exit = processes.ExitWatch(self.keeper.pid, self._on_keeper_exit)
        if not processes.is_alive(self.keeper):  # gone, or the pid is another's by now
            self._exit.cancel()
            self._on_keeper_exit()
            return
        if self.state is not State.UNRESPONSIVE and self.live:
            self._start(self._reconnect())

    async def _await_hello(self, link: links.Link) -> None:
        try:
            hello = await link.hello()
        except ArtacError:
            return
        if hello.keeper != self.keeper or not self.live:
            link.close()
            return
        self.attach(link, hello, self.cgroup)
        self.follow(from_last_state=True)
        log.info("its keeper answers again", extra=self.about("adopted", MessageId.ADOPTED))

    async def _reconnect(self) -> None:
        """The keeper lives and has dropped us: it is about to end, or we were too slow for it."""
        if await self.ended_within(1.0):
            return
        extra = self.about("unresponsive", MessageId.KEEPER_SILENT)
        log.warning("its keeper dropped the backend's link", extra=extra)
        self._become(State.UNRESPONSIVE)
        try:
            link, _ = await links.connect(self.directory)
        except OSError:
            return
        await self._await_hello(link)

    def _on_keeper_exit(self) -> None:
        self._exit = None
        if self._keeper_gone:
            return
        self._keeper_gone = True
        if self.live and self._told_end is None and not self._conclude_from_disk():
            why, keeper = keeper_lost(self.keeper_status())
            tally = self._tally()
            facts = EndFacts(
                at=time.time(),
                stop=self.stop_request,
                lost="" if self.stop_request else why,
                oom_kills=(tally.memory_oom_kill or 0) if tally else 0,
                keeper=keeper,
                tally=tally,
            )
            self._start(self.end_here(facts))

    def _tally(self) -> Tally | None:
        """What its cgroup has counted, if it is still there; it was made for this session."""
        if self.cgroup is None or not (counted := counters.read(str(self.cgroup))):
            return None
        return Tally.from_json(counted)

    async def end_here(self, facts: EndFacts) -> None:
        """End what a dead keeper left, and write the end that it could not."""
        if self.end is not None or self._conclude_from_disk():
            return
        if self.cgroup is not None:
            cgroups.thaw(self.cgroup)
            cgroups.kill(self.cgroup)
        try:
            await asyncio.to_thread(self._store.write_end, self.spec.id, facts)
        except OSError as error:
            log.error("its end could not be written: %s", error, extra=self.about("ended"))
        self.conclude(facts)

    def _on_settled(self) -> None:
        """A message does not wait any more: one that was taken back leaves Claude at rest."""
        self.claude_state.settled()
        if self.connected:
            self.delivery.go_on()

    def _may_deliver(self) -> bool:
        return self.live and self.stop_request is None

    def _claude_says(self, state: State) -> None:
        if self.state not in (State.STOPPING, State.ENDED, State.UNRESPONSIVE):
            self._become(state)
        else:
            self._change.tell()

    def _become(self, state: State) -> None:
        if state is not self.state:
            self._change_to(state)

    def _change_to(self, state: State) -> None:
        old = self.state
        self.state, self.state_since = state, time.time()
        self.times.enter(state, self.state_since)
        if state is not State.ENDED:  # which is an event of its own, with its reason
            self.tell("state", old=old.value, new=state.value)
        self._change.tell()

    async def changed(self, seconds: float | None) -> None:
        """Wait for the next change of it, at most that long."""
        await self._change.wait(seconds)

    @property
    def resumed_as(self) -> str:
        """What to add where it is said that it has ended."""
        after = self.succession.successor
        return f"; resumed as {after}" if after else ""

    def note_succession(self) -> None:
        """Put on disk what is known of those before and after it."""
        self._store.write_succession(self.spec.id, self.succession.to_json())

    def must_live(self, verb: str) -> None:
        """ArtacError(NOT_RUNNING) for what has ended."""
        if not self.live:
            assert self.end is not None
            talks = self.spec.kind in (Kind.HEADLESS, Kind.TERMINAL)
            again = f"; artac resume {self.spec.id} goes on with its conversation"
            raise ArtacError(
                ErrorKind.NOT_RUNNING,
                f"session {self.spec.id} has ended ({self.end.reason.value}){self.resumed_as}: "
                f"you cannot {verb} it any more{again if talks and not self.resumed_as else ''}",
            )

    def must_have(self, kind: Kind, verb: str) -> None:
        """ArtacError(USAGE) for a session of another kind."""
        self.refuse_adopted(verb)
        if self.spec.kind is Kind.PIPED:
            raise ArtacError(
                ErrorKind.USAGE,
                f"you cannot {verb} session {self.spec.id}: that is for its program, which has "
                "its input and output",
            )
        if self.spec.kind is not kind:
            raise ArtacError(
                ErrorKind.USAGE,
                f"session {self.spec.id} is a {self.spec.kind.value} session: you cannot {verb} it",
            )

    def refuse_adopted(self, verb: str) -> None:
        """ArtacError(USAGE) for a process that was adopted."""
        if self.spec.kind is Kind.ADOPTED:
            raise ArtacError(
                ErrorKind.USAGE,
                f"you cannot {verb} session {self.spec.id}: it was adopted, "
                "its input and output stay where they were",
            )

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
