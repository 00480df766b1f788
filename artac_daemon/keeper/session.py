"""The keeper's one session: from waiting for the word to start, to its end on disk."""

from __future__ import annotations

import _socket
import os
import signal
import struct
import time
from collections.abc import Callable

from . import child, conversation, record
from .adopted import UNKNOWN, Adopted
from .bound import OutputBound
from .claude_input import ClaudeInput
from .ending import Ending, tell_unseen
from .host_probe import HostProbe
from .input import Full
from .journal import SessionJournal
from .link import Link
from .loop import Loop
from .moves import Moves
from .peers import Peers, stop_listening
from .tree import CgroupTree, DescendantTree
from .wire import PROTOCOL

# The screen model is for those keepers only that have a terminal: it would double the others.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attaching import Attaching
    from .piping import Piping

# systemd signals a cgroup's processes one by one, and may be held up between two of them: Claude's
# end may be seen before our own SIGTERM.
_SIGTERM_MAY_FOLLOW = 1.0
_TERM_BEFORE_KILL = 2.0

Handler = Callable[[Link, dict[str, object]], None]


class Session:
    """States: waiting (for `launch`), running, ended (end on disk, tree being swept)."""

    def __init__(
        self,
        loop: Loop,
        session_id: str,
        launcher: _socket.socket,
        terminal: Attaching | Piping | None,
    ) -> None:
        self._loop = loop
        self._id = session_id
        self._identity = record.identity()
        self._spec: object = None
        self._journal = SessionJournal(session_id)
        self._state = "waiting"
        self._child: child.Child | Adopted | None = None
        self._gone = False  # Claude has ended
        self._claude: dict[str, object] | None = None
        self._input: ClaudeInput | None = None
        self._tree: CgroupTree | DescendantTree = DescendantTree()
        self._moves = Moves()
        self._conversation: conversation.Lock | None = None
        self._output_bound: OutputBound | None = None
        self._grace = 10.0
        self._started = 0.0
        self._bound = False
        self._status: int | None = None
        self._stop: dict[str, object] | None = None
        self._terminated = self._backend_gone = False
        self._probe = HostProbe(loop, self._maybe_end)
        self._ending = Ending(loop, self._journal, self._leave)
        self._terminal = terminal
        loop.on_signal(signal.SIGTERM, self._on_sigterm)
        loop.on_signal(signal.SIGCHLD, self._reap)
        self._peers = Peers(loop, self._hello, self._on_message, self._on_link_closed)
        self._launcher = self._peers.add(launcher)

    # Links

    def _hello(self) -> dict[str, object]:
        return {
            "event": "hello",
            "protocol": list(PROTOCOL),
            "session": self._id,
            "keeper": self._identity,
            "state": self._state,
            "claude": self._claude,
            "spec": self._spec,
            "input_open": bool(self._input and self._input.is_open),
            "cgroup": self._settled_in(),
        }

    def _settled_in(self) -> str | None:
        if isinstance(self._tree, CgroupTree) and not self._backend_gone:
            return self._tree.cgroup
        return None

    def _on_link_closed(self, link: Link) -> None:
        if self._terminal is not None:
            self._terminal.left(link)
        # Until the next one settles it, the tree may be in the cgroup that systemd now ends.
        self._backend_gone |= self._moves.dropped(link)
        if link is not self._launcher:
            return
        if self._state == "waiting":
            # Nothing runs yet: the backend died between starting us and telling us to go.
            self._fail("the backend went away before the session was started")
        elif self._bound and self._state == "running":
            self._backend_gone = True
            self._wind_down()
        elif self._terminal is not None:
            self._terminal.launcher_left()

    def _on_message(self, link: Link, message: dict[str, object]) -> None:
        number = message.get("id")
        if link.terminal and self._terminal is not None:
            handler: Handler | None = self._terminal.said
        else:
            handler = self._handler(str(message.get("op")))
        if handler is None:
            link.send({"reply": number, "error": "unknown", "detail": str(message.get("op"))})
            return
        try:
            handler(link, message)
        except (KeyError, ValueError, TypeError, OverflowError, OSError, struct.error) as error:
            link.send({"reply": number, "error": "malformed", "detail": repr(error)})

    def _handler(self, op: str) -> Handler | None:
        handlers: dict[str, Handler] = {
            "launch": self._launch,
            "adopt": self._adopt,
            "moving": self._moving,
            "moved": self._moved,
            "write": self._write,
            "close-input": self._close_input,
            "stop-asked": self._stop_asked,
            "signal": self._signal,
            "kill-tree": self._kill_tree,
            "runtime": self._runtime,
        }
        of_terminal = self._terminal.handler(op) if self._terminal is not None else None
        return handlers.get(op, of_terminal)

    # Starting

    def _launch(self, link: Link, message: dict[str, object]) -> None:
        if self._state != "waiting":
            link.send({"reply": message["id"], "error": "started"})
            return
        launch = child.Launch(message)
        if launch.terminal and not self._for_terminal():
            raise ValueError("this keeper was not started for a terminal")
        limit = int(str(message["output_max"]))
        self._bound = bool(message["bound"])
        try:
            self._take_conversation(message.get("conversation"))
        except conversation.InUse as problem:
            link.send({"reply": message["id"], "error": "in-use", "detail": str(problem)})
            return
        except OSError as error:
            self._fail(f"its conversation cannot be locked: {error.strerror or error}")
            return
        self._take(message)
        try:
            self._settle_in()
            output, errors = _append("output"), _append("stderr")
            started = child.start(launch, self._tree.enter, output, errors)
            os.close(errors)
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._state, self._child = "running", started
        self._started = time.monotonic()
        self._bound_runtime(message.get("runtime_max"))
        self._claude = {**self._identity, "pid": started.pid}
        self._claude["start_time"] = record.start_time(started.pid)
        control = os.dup(started.control) if launch.terminal else started.control
        self._input = ClaudeInput(self._loop, control)
        piped = message.get("piped")
        if self._terminal is not None and isinstance(piped, dict):
            lines = bool(piped["lines"])
            self._terminal.begin(self._input, lines, self._program_left, self._peers.tell)
        elif launch.terminal:
            assert self._terminal is not None
            size = (launch.columns, launch.rows)
            self._terminal.open(started.control, output, size, self._input)
        self._output_bound = OutputBound(self._loop, limit, lambda said: self._journal.log(4, said))
        link.send({"reply": message["id"], "claude": self._claude})
        for item in message["input"]:  # type: ignore[attr-defined]
            self._input.put(item["line"].encode(), item["key"], lambda _: None)

    def _take_conversation(self, asked: object) -> None:
        if not isinstance(asked, dict):  # by an older backend, or of an account without a home
            return
        holder = {**self._identity, "session": self._id, "state": str(asked["state"])}
        try:
            self._conversation = conversation.take(str(asked["lock"]), holder)
        except OSError as error:
            if asked["resumed"]:
                raise
            # A new one: nobody else knows of it, and where this fails Claude cannot keep it either.
            what = f"its conversation is not locked: {error.strerror or error}"
            self._journal.log(4, what)

    def _adopt(self, link: Link, message: dict[str, object]) -> None:
        if self._state != "waiting":
            link.send({"reply": message["id"], "error": "started"})
            return
        self._take(message)
        process = dict(message["process"])  # type: ignore[call-overload]
        try:
            adopted = Adopted(process)
            self._settle_in()
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._state, self._child, self._claude = "running", adopted, process
        self._started = time.monotonic()
        self._bound_runtime(message.get("runtime_max"))
        adopted.watch(self._loop, self._adopted_ended)
        link.send({"reply": message["id"], "claude": self._claude})

    def _take(self, message: dict[str, object]) -> None:
        self._spec = message["spec"]
        self._journal.name = str(message["name"])
        self._grace = float(str(message["grace"]))
        if message["cgroup"]:
            self._tree = CgroupTree(str(message["cgroup"]))

    def _settle_in(self) -> None:
        self._tree.prepare()
        # Not synced: it means nothing after a power cut, for the boot id is then another.
        record.write(".", "keeper", self._identity, durable=False)

    # Being moved

    def _moving(self, link: Link, message: dict[str, object]) -> None:
        if self._may_move(link, message):
            assert isinstance(self._tree, CgroupTree)
            self._moves.begin(link, self._tree, str(message["cgroup"]))
            link.send({"reply": message["id"]})

    def _moved(self, link: Link, message: dict[str, object]) -> None:
        if self._may_move(link, message):
            assert isinstance(self._tree, CgroupTree)
            self._moves.settle(self._tree, str(message["cgroup"]))
            self._spec, self._backend_gone = message["spec"], False
            link.send({"reply": message["id"]})

    def _may_move(self, link: Link, message: dict[str, object]) -> bool:
        if self._state == "running" and isinstance(self._tree, CgroupTree):
            return True
        link.send({"reply": message["id"], "error": "ended"})
        return False

    def _fail(self, why: str) -> None:
        self._state = "ended"
        self._finish({"error": why})

    # Input

    def _write(self, link: Link, message: dict[str, object]) -> None:
        number = message["id"]
        if self._state != "running" or self._input is None:
            link.send({"reply": number, "error": "ended"})
            return

        def done(result: str) -> None:
            if result == "closed":
                link.send({"reply": number, "error": "closed"})
            else:
                link.send({"reply": number, "result": result})

        try:
            self._input.put(str(message["line"]).encode(), str(message["key"]), done)
        except Full:
            link.send({"reply": number, "error": "full"})

    def _close_input(self, link: Link, message: dict[str, object]) -> None:
        if self._input is not None:
            self._input.end()
        link.send({"reply": message["id"]})

    # Ending

    def _stop_asked(self, link: Link, message: dict[str, object]) -> None:
        asked = ("by", "why", "at", "limit_seconds")
        self._stop = {key: message[key] for key in asked if key in message}
        link.send({"reply": message["id"]})

    def _signal(self, link: Link, message: dict[str, object]) -> None:
        self._signal_claude(int(str(message["number"])))
        link.send({"reply": message["id"]})

    def _signal_claude(self, number: int) -> None:
        if self._child is not None and not self._gone:
            self._child.signal(number)

    def _kill_tree(self, link: Link, message: dict[str, object]) -> None:
        self._tree.kill()
        link.send({"reply": message["id"]})

    def _program_left(self, signalled: int | None) -> None:
        """The program at a piped session sends Claude a signal, or (None) has gone for good."""
        if signalled is not None:
            self._signal_claude(signalled)
        elif self._state == "running" and not (self._stop or self._terminated or self._gone):
            persistent = isinstance(self._spec, dict) and self._spec.get("persistent")
            # A program that was never there does not know where to come back to.
            if not (persistent and self._terminal is not None and self._terminal.met):
                self._stop = {"by": "artac", "why": "program", "at": time.time()}
                self._peers.tell({"event": "stopping", "stop": self._stop})
                self._wind_down()

    def _on_sigterm(self) -> None:
        if self._state == "waiting":
            self._fail("its keeper was sent SIGTERM before the session was started")
        elif self._state == "running" and not self._terminated:
            self._terminated = True
            self._probe.ask()
            self._wind_down()

    def _runtime(self, link: Link, message: dict[str, object]) -> None:
        self._bound_runtime(message["seconds"])
        link.send({"reply": message["id"]})

    def _bound_runtime(self, seconds: object) -> None:
        """From Claude's start on; kept here because the backend may be away when it is over."""
        self._loop.cancel("runtime")
        if seconds is not None and self._state == "running":
            limit = float(str(seconds))
            rest = self._started + limit - time.monotonic()
            self._loop.after("runtime", rest, lambda: self._overrun(limit))

    def _overrun(self, limit: float) -> None:
        if self._state != "running" or self._stop or self._terminated:
            return
        self._stop = {"by": "artac", "why": "limit", "at": time.time(), "limit_seconds": limit}
        self._peers.tell({"event": "stopping", "stop": self._stop})
        self._wind_down()

    def _wind_down(self) -> None:
        """Nobody is there to do it in order: let Claude finish what it can within the grace."""
        if self._input is not None and not self._has_terminal():
            self._input.end()
        else:
            self._signal_claude(signal.SIGTERM)
        self._loop.after("term", self._grace, lambda: self._signal_claude(signal.SIGTERM))
        self._loop.after("kill", self._grace + _TERM_BEFORE_KILL, self._tree.kill)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._child is not None and pid == self._child.pid:
                self._status, self._gone = status, True
                self._maybe_end()
            elif self._probe.reaped(pid) or (
                self._output_bound and self._output_bound.reaped(pid, status)
            ):
                continue
            elif self._state == "ended":
                self._ending.swept()

    def _adopted_ended(self, status: int | None) -> None:
        self._status, self._gone = status, True
        self._maybe_end()

    def _maybe_end(self) -> None:
        if not self._gone or self._probe.pending or self._state != "running":
            return
        by_sigterm = self._status in (signal.SIGTERM, (128 + signal.SIGTERM) << 8)
        if by_sigterm and not (self._stop or self._terminated or self._backend_gone):
            self._loop.after("sigterm", _SIGTERM_MAY_FOLLOW, self._ended)
            return
        self._ended()

    def _ended(self) -> None:
        # A SIGTERM that arrived meanwhile has asked the host, whose answer comes first.
        if self._state != "running" or self._probe.pending:
            return
        self._state = "ended"
        if self._input is not None:
            self._input.abandon()
        if self._terminal is not None:
            self._terminal.finish()
        tally = self._tree.tally()
        self._finish(
            {
                **self._exit(),
                "oom_kills": tally.get("memory_oom_kill", 0),
                "left_behind": 0 if self._stop_is_kill() else self._tree.count(),
                "tally": tally,
            }
        )

    def _exit(self) -> dict[str, object]:
        if self._status is None:
            asked = self._stop or self._terminated or self._probe.host_stopping
            return {"lost": "" if asked else UNKNOWN}
        code = os.waitstatus_to_exitcode(self._status)
        return {"exit_code": code if code >= 0 else None, "signal": -code if code < 0 else None}

    def _for_terminal(self) -> bool:
        return self._terminal is not None and not self._terminal.piped

    def _has_terminal(self) -> bool:
        return self._terminal is not None and self._terminal.is_open

    def _stop_is_kill(self) -> bool:
        return self._stop is not None and self._stop["why"] == "kill"

    def _finish(self, facts: dict[str, object]) -> None:
        """The end goes to disk before anyone hears of it; then the tree goes."""
        end: dict[str, object] = {
            "version": 1,
            "at": time.time(),
            "stop": self._stop,
            "terminated": self._terminated,
            "host_stopping": self._probe.host_stopping,
            "host_silent": self._probe.silent,
            "backend_gone": self._backend_gone,
            **(self._terminal.facts() if self._terminal is not None else {}),
            **facts,
        }
        self._ending.begin(end, self._tree if self._child is not None else None)

    def _leave(self, end: dict[str, object]) -> None:
        if self._conversation is not None:
            self._conversation.release()
            self._conversation = None
        if not self._peers:
            tell_unseen(self._journal, end)
        if self._terminal is not None:
            self._terminal.ended(end)
        self._peers.tell({"event": "ended", "end": end})
        stop_listening()
        self._loop.stop()


def _append(name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(name, flags, 0o600)
