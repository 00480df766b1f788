"""The keeper's one session: from waiting for the word to start, to its end on disk."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time

from . import child, journal, record
from .adopted import UNKNOWN, Adopted
from .bound import OutputBound
from .host_probe import HostProbe
from .input import Full, Input
from .link import Link, listen, peer_uid
from .loop import Loop
from .moves import Moves
from .tree import CgroupTree, DescendantTree
from .wire import PROTOCOL, SOCKET

MAX_LINKS = 64

# systemd signals a cgroup's processes one by one: Claude's end may be seen before our own SIGTERM.
_SIGTERM_MAY_FOLLOW = 0.2
_TERM_BEFORE_KILL = 2.0
_SWEEP_LIMIT = 10.0


class Session:
    """States: waiting (for `launch`), running, ended (end on disk, tree being swept)."""

    def __init__(self, loop: Loop, session_id: str, launcher: socket.socket) -> None:
        self._loop = loop
        self._id = session_id
        self._identity = record.identity()
        self._spec: object = None
        self._name = ""
        self._state = "waiting"
        self._child: child.Child | Adopted | None = None
        self._gone = False  # Claude has ended
        self._claude: dict[str, object] | None = None
        self._input: Input | None = None
        self._tree: CgroupTree | DescendantTree = DescendantTree()
        self._moves = Moves()
        self._output = -1
        self._output_bound: OutputBound | None = None
        self._grace = 10.0
        self._started = 0.0
        self._bound = False
        self._status: int | None = None
        self._stop: dict[str, object] | None = None
        self._terminated = self._backend_gone = False
        self._probe = HostProbe(loop, self._maybe_end)
        self._links: set[Link] = set()
        self._server = listen(SOCKET)
        loop.watch(self._server.fileno(), select.EPOLLIN, self._accept)
        loop.on_signal(signal.SIGTERM, self._on_sigterm)
        loop.on_signal(signal.SIGCHLD, self._reap)
        self._launcher = self._add(launcher)

    # Links

    def _accept(self, _: int) -> None:
        try:
            peer, _address = self._server.accept()
        except OSError:
            return
        if peer_uid(peer) not in (0, os.getuid()) or len(self._links) >= MAX_LINKS:
            peer.close()
            return
        self._add(peer)

    def _add(self, peer: socket.socket) -> Link:
        link = Link(self._loop, peer, self._on_message, self._on_link_closed)
        self._links.add(link)
        link.send(
            {
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
        )
        return link

    def _settled_in(self) -> str | None:
        if isinstance(self._tree, CgroupTree) and not self._backend_gone:
            return self._tree.cgroup
        return None

    def _on_link_closed(self, link: Link) -> None:
        self._links.discard(link)
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

    def _on_message(self, link: Link, message: dict[str, object]) -> None:
        handler = {
            "launch": self._launch,
            "adopt": self._adopt,
            "moving": self._moving,
            "moved": self._moved,
            "write": self._write,
            "close-input": self._close_input,
            "stop-asked": self._stop_asked,
            "signal": self._signal,
            "kill-tree": self._kill_tree,
            "resize": self._resize,
            "runtime": self._runtime,
        }.get(str(message.get("op")))
        number = message.get("id")
        if handler is None:
            link.send({"reply": number, "error": "unknown", "detail": str(message.get("op"))})
            return
        try:
            handler(link, message)
        except (KeyError, ValueError, TypeError, OverflowError, OSError, struct.error) as error:
            link.send({"reply": number, "error": "malformed", "detail": repr(error)})

    # Starting

    def _launch(self, link: Link, message: dict[str, object]) -> None:
        if self._state != "waiting":
            link.send({"reply": message["id"], "error": "started"})
            return
        launch = child.Launch(message)
        limit = int(str(message["output_max"]))
        self._bound = bool(message["bound"])
        self._take(message)
        try:
            self._settle_in()
            self._output = _append("output")
            errors = _append("stderr")
            self._child = child.start(launch, self._tree.enter, self._output, errors)
            os.close(errors)
        except OSError as error:
            self._fail(error.strerror or str(error))
            return
        self._state = "running"
        self._started = time.monotonic()
        self._bound_runtime(message.get("runtime_max"))
        self._claude = {**self._identity, "pid": self._child.pid}
        self._claude["start_time"] = record.start_time(self._child.pid)
        self._input = Input(os.dup(self._child.control) if launch.terminal else self._child.control)
        os.set_inheritable(self._input.fd, False)
        if launch.terminal:
            self._loop.watch(self._child.control, select.EPOLLIN, self._on_terminal)
        self._output_bound = OutputBound(self._loop, limit, lambda said: self._log(4, said))
        link.send({"reply": message["id"], "claude": self._claude})
        for item in message["input"]:  # type: ignore[attr-defined]
            self._input.put(item["line"].encode(), item["key"], lambda _: None)
        self._pump()

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
        self._name = str(message["name"])
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
            return
        self._pump()

    def _pump(self) -> None:
        if self._input is None:
            return
        before = self._input.fd
        self._input.pump()
        if self._input.fd < 0:
            self._loop.forget(before)
        elif self._input:
            self._loop.watch(before, select.EPOLLOUT, lambda _: self._pump())
        else:
            self._loop.forget(before)

    def _end_input(self) -> None:
        if self._input is not None and self._input.fd >= 0:
            fd = self._input.fd
            self._input.close()
            if self._input.fd < 0:
                # Before anything else is opened: it would get this number, and find it taken.
                self._loop.forget(fd)

    def _close_input(self, link: Link, message: dict[str, object]) -> None:
        self._end_input()
        link.send({"reply": message["id"]})

    # A terminal's output

    def _on_terminal(self, _: int) -> None:
        """Once for each wake-up, so that a flood leaves room for the links."""
        if self._read_terminal() is None and self._child is not None:
            self._loop.forget(self._child.control)

    def _read_terminal(self) -> bool | None:
        """True when something was read, False when nothing is there now, None at the end."""
        assert self._child is not None
        try:
            data = os.read(self._child.control, 65536)
        except BlockingIOError:
            return False
        except OSError:  # EIO: every process has closed the terminal
            return None
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._output, view) :]
            except OSError:  # a full disk: the program goes on, and its log has a gap
                return True
        return bool(data) or None

    def _resize(self, link: Link, message: dict[str, object]) -> None:
        if self._child is None or not os.isatty(self._child.control):
            raise ValueError("no terminal")
        else:
            columns, rows = int(str(message["columns"])), int(str(message["rows"]))
            child.set_size(self._child.control, columns, rows)
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
        for link in list(self._links):
            link.send({"event": "stopping", "stop": self._stop})
        self._wind_down()

    def _wind_down(self) -> None:
        """Nobody is there to do it in order: let Claude finish what it can within the grace."""
        if self._child is not None:
            if self._input is not None and self._input.fd == self._child.control:
                self._end_input()
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
                self._swept()

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
        assert self._child is not None
        if self._input is not None and self._input.fd >= 0:
            self._loop.forget(self._input.fd)
            self._input.abandon()
        if self._loop_has_terminal():
            while self._read_terminal():
                pass
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

    def _loop_has_terminal(self) -> bool:
        return self._input is not None and os.isatty(self._child.control) if self._child else False

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
            **facts,
        }
        try:
            record.write(".", "end", end)
        except OSError as error:  # a full disk: the journal is the last to know
            what = f"the end could not be written: {error.strerror}: {end}"
            self._log(2, what, more={"MESSAGE_ID": journal.END_NOT_WRITTEN})
        self._facts = end
        if self._child is None or not self._tree.populated():
            self._swept()
            return
        if self._tree.events_fd() >= 0:
            wanted = select.EPOLLPRI | select.EPOLLERR
            self._loop.watch(self._tree.events_fd(), wanted, lambda _: self._swept())
        self._loop.after("sweep", _SWEEP_LIMIT, self._leave)
        self._tree.kill()
        self._swept()

    def _swept(self) -> None:
        if not self._tree.populated():
            self._leave()
        elif isinstance(self._tree, DescendantTree):
            self._tree.kill()  # what was forked while the tree was walked

    def _leave(self) -> None:
        if not self._links:
            number, code = self._facts.get("signal"), self._facts.get("exit_code")
            how = f"exit code {code}" if number is None else f"signal {number}"
            # The reason is for the backend to tell, which knows more; this is what it follows from.
            known = {"ARTAC_EXIT_CODE": code, "ARTAC_SIGNAL": number}
            self._log(
                6,
                f"session ended while no backend ran ({how}); `artac why {self._id}` tells more",
                "ended",
                {
                    "MESSAGE_ID": journal.ENDED_UNSEEN,
                    **{name: str(value) for name, value in known.items() if value is not None},
                },
            )
        for link in list(self._links):
            link.send({"event": "ended", "end": self._facts})
        try:
            os.unlink(SOCKET)
        except OSError:
            pass  # its directory may be gone already
        self._loop.stop()

    def _log(
        self,
        priority: int,
        message: str,
        event: str = "keeper",
        more: dict[str, str] | None = None,
    ) -> None:
        journal.send(
            {
                "MESSAGE": message,
                "PRIORITY": str(priority),
                "SYSLOG_IDENTIFIER": "artac-keeper",
                "ARTAC_SESSION": self._id,
                "ARTAC_NAME": self._name,
                "ARTAC_EVENT": event,
                **(more or {}),
            }
        )


def _append(name: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(name, flags, 0o600)
