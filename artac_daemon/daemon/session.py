"""One session as the backend sees it: what its keeper and its output say of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..claude import stream
from ..host import cgroups, processes
from ..host.inotify import GrowthWatch
from ..host.journal import about
from ..host.message_ids import MessageId
from ..host.store import Store
from ..keeper import counters
from ..model.end import End, EndFacts, keeper_lost, verdict
from ..model.errors import ArtacError, ErrorKind
from ..model.limits import Granted
from ..model.session import Identity, Kind, SessionSpec, State, StopRequest
from ..model.tally import Tally
from . import link as links
from .change import Change
from .follow import Follower
from .lines import extent
from .messages import Messages

log = logging.getLogger("artac.session")

# A keeper answers from memory; one that takes longer than this is stopped or stuck.
ANSWER_LIMIT = 5.0


class Session:
    """Live from its start or adoption to its end; after that a record that can be read."""

    def __init__(self, spec: SessionSpec, store: Store, growth: GrowthWatch) -> None:
        self.spec = spec
        self.state = self._claude_state = State.STARTING
        self.state_since = time.time()
        self.stop_request: StopRequest | None = None
        self.end: End | None = None
        self.keeper: Identity | None = None
        self.claude: Identity | None = None
        self.cgroup: Path | None = None
        # As Popen.returncode has it; None too for a keeper that is not this backend's own child.
        self.keeper_status: Callable[[], int | None] = lambda: None
        self.granted: Granted | None = None  # None: a record of before there were limits
        self.protocol = (1, 0)  # its keeper's
        self.placing = asyncio.Lock()  # held while it is moved
        self.turns = 0
        self.cost_usd: float | None = None
        self._on_end: list[Callable[[], None]] = []
        self.tell: Callable[..., object] = lambda event, **fields: None  # see EventLog.write
        self.messages = Messages()
        self.directory = store.directory(spec.id)
        self.output = self.directory / "output"
        self._store = store
        self._growth = growth
        self._link: links.Link | None = None
        self._follower: Follower | None = None
        self._exit: processes.ExitWatch | None = None
        self._change = Change()
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
        if self.spec.kind is not Kind.HEADLESS:
            self._become(State.RUNNING)
        elif self.state is State.UNRESPONSIVE:
            self._become(self._claude_state)
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

    def opening(self, lines: list[tuple[str, str]]) -> list[dict[str, str]]:
        """The first input, as the keeper wants it; the prompt among it counts as accepted."""
        for key, _ in lines:
            if key:
                self.messages.accept(key, 0)
        return [{"key": key, "line": line} for key, line in lines]

    def launched(self, reply: dict[str, Any]) -> None:
        """The keeper has started Claude."""
        self.claude = Identity.from_json(reply["claude"])
        self.follow(from_last_state=False)
        self._begun.set()

    async def begun(self) -> None:
        """Wait for a start under way to succeed or fail."""
        await self._begun.wait()

    def follow(self, from_last_state: bool) -> None:
        """Read the session's state from its output, from now on."""
        if self.spec.kind is not Kind.HEADLESS or not self.live:
            return
        if self._follower is not None:
            self._follower.close()
        self._follower = Follower(self.output, self._growth, self._on_seen)
        if from_last_state:
            self._follower.start_at_last_state()
        else:
            self._follower.start()

    async def know(self, offset: int) -> None:
        """Take in the output up to there: what one answer told, the next must not contradict."""
        if self._follower is not None:
            await self._follower.reach(offset)

    def conclude(self, facts: EndFacts) -> None:
        """The session has ended as told; idempotent."""
        if self.end is not None:
            return
        if self._follower is not None:
            self._follower.catch_up()
        self.end = verdict(facts, self.spec.placement)
        self.release()
        self._become(State.ENDED)
        for callback in list(self._on_end):
            callback()

    def conclude_quietly(self, facts: EndFacts) -> None:
        """It had ended before this backend started: known from then on, and not news."""
        self.end = verdict(facts, self.spec.placement)
        self.state, self.state_since = State.ENDED, facts.at

    def release(self) -> None:
        """Let go of the keeper without a word to it: it and its session go on."""
        self._begun.set()
        for task in self._tasks:
            task.cancel()
        if self._follower is not None:
            self._follower.close()
            self._follower = None
        if self._exit is not None:
            self._exit.cancel()
            self._exit = None
        if self._link is not None:
            self._link.ignore()
            self._link.close()
            self._link = None

    # What is asked of it

    async def send(self, text: str, message_uuid: str) -> dict[str, Any]:
        """Hand a message to Claude: accepted once the keeper has written it whole."""
        self._must_be(Kind.HEADLESS, "send a message to")
        known = self.messages.accepted_at(message_uuid)
        offset = self._size() if known is None else known
        if known is None:
            self.messages.accept(message_uuid, offset)
        line = stream.user_message(text, message_uuid)
        try:
            reply = await self.request("write", key=message_uuid, line=line)
        except ArtacError:
            self.messages.settle(message_uuid)
            raise
        duplicate = reply.get("result") == "duplicate"
        if duplicate:
            self.messages.settle(message_uuid)
        if duplicate and known is None:
            # An earlier backend had accepted it, anywhere in what there is.
            offset = extent(self.output).first
            self.messages.remember(message_uuid, offset)
        if not duplicate and self._claude_state is State.IDLE:
            self._claude_says(State.WORKING)
        return {"uuid": message_uuid, "offset": offset, "duplicate": duplicate}

    async def interrupt(self, limit: float | None = None) -> None:
        """End the running turn; nothing happens to an idle session."""
        self.refuse_adopted("interrupt")
        if self.spec.kind is Kind.TERMINAL:
            await self.request("write", limit, key="", line="\x1b")
            return
        await self.control(stream.interrupt, limit=limit)

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
            raise ArtacError(ErrorKind.NOT_RUNNING, f"session {self.spec.id} has ended")
        if limit is None and op != "write":
            limit = ANSWER_LIMIT
        try:
            return await asyncio.wait_for(self._link.request(op, **content), limit)
        except TimeoutError:
            raise ArtacError(
                ErrorKind.UNAVAILABLE, f"the keeper of {self.spec.id} does not answer"
            ) from None

    async def control(
        self, line: Callable[..., str], *content: str, limit: float | None = None
    ) -> None:
        """Write a control request to Claude."""
        request_id = stream.new_uuid()
        await self.request("write", limit, key=request_id, line=line(request_id, *content))

    @property
    def busy(self) -> bool:
        """Whether Claude is at a turn, or has one to begin with."""
        at_work = self._claude_state in (State.WORKING, State.NEEDS_PERMISSION)
        return at_work or self.messages.waiting

    async def ended_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        return await self.wait_for(frozenset({State.ENDED}), seconds) and not self.live

    def _on_event(self, event: dict[str, Any]) -> None:
        if event.get("event") == "stopping":
            self.stop_request = StopRequest.from_json(event["stop"])
            log.info("stopped by %s", self.stop_request.why, extra=self.about("stop"))
            self.stopping()
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
            facts = EndFacts(
                at=time.time(),
                stop=self.stop_request,
                lost="" if self.stop_request else why,
                keeper=keeper,
                tally=self._tally(),
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

    def _on_seen(self, seen: stream.Seen, _: int) -> None:
        if seen.replayed:
            self.messages.settle(seen.replayed)
        if seen.result is not None:
            self.turns += 1
            self.messages.answered(seen.result.message_uuids)
            self.cost_usd = seen.result.cost_usd
            self._change.tell()
        if seen.initialized and self._claude_state is State.STARTING:
            self._claude_says(State.IDLE)
        if seen.state is not None:
            self._claude_says(seen.state)

    def _claude_says(self, state: State) -> None:
        if state is State.IDLE and self.messages.waiting:
            state = State.WORKING  # said before it has read what was accepted
        self._claude_state = state
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
        if state is not State.ENDED:  # which is an event of its own, with its reason
            self.tell("state", old=old.value, new=state.value)
        self._change.tell()

    async def changed(self, seconds: float | None) -> None:
        """Wait for the next change of it, at most that long."""
        await self._change.wait(seconds)

    def _must_be(self, kind: Kind, verb: str) -> None:
        if not self.live:
            assert self.end is not None
            raise ArtacError(
                ErrorKind.NOT_RUNNING,
                f"session {self.spec.id} has ended ({self.end.reason.value}): "
                f"you cannot {verb} it any more",
            )
        self.refuse_adopted(verb)
        if self.spec.kind is not kind:
            raise ArtacError(
                ErrorKind.USAGE,
                f"session {self.spec.id} is a terminal session: you cannot {verb} it",
            )

    def refuse_adopted(self, verb: str) -> None:
        """ArtacError(USAGE) for a process that was adopted."""
        if self.spec.kind is Kind.ADOPTED:
            raise ArtacError(
                ErrorKind.USAGE,
                f"you cannot {verb} session {self.spec.id}: it was adopted, "
                "its input and output stay where they were",
            )

    def _size(self) -> int:
        try:
            return self.output.stat().st_size
        except FileNotFoundError:
            return 0

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
