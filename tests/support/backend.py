"""The real artacd and its keepers as processes, with the stand-in for claude."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import cache

STANDIN = Path(__file__).with_name("standin_claude.py")
_PATIENCE = 60.0


class ApiError(Exception):
    """An error answer of the API."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(f"{status} {kind}: {message}")
        self.status, self.kind, self.message = status, kind, message


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Backend:
    """One artacd over one state directory; it can be stopped, killed and started again."""

    def __init__(self, root: Path, **settings: str) -> None:
        self.root = root
        self.state = root / "state"
        self.socket = root / "s"
        self.work = root / "work"
        self.home = root / "home"
        for directory in (self.work, self.home, root / "config"):
            directory.mkdir(exist_ok=True)
        self.mark = f"artac-test-{uuid.uuid4()}"
        self.settings = {
            "ARTAC_PLACEMENT": "detached",
            "ARTAC_STOP_GRACE": "5s",
            "CLAUDE_CODE_PATH": str(STANDIN),
            **settings,
        }
        self.log_path = root / "log"
        self.process: subprocess.Popen[bytes] | None = None

    # The process

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(cache.PROJECT),
            "TEST_MARK": self.mark,
            "ARTAC_CONFIG_DIRECTORY": str(self.root / "config"),
            "ARTAC_STATE_DIRECTORY": str(self.state),
            "ARTAC_SOCKET": str(self.socket),
            **self.settings,
        }

    def start(self, *options: str, ready: bool = True) -> Backend:
        """Start artacd; return once it has told READY=1, as systemd would see it."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = self.root / "notify"
        path.unlink(missing_ok=True)
        notify.bind(str(path))
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "artac_daemon.daemon.main", *options],
                env={**self.environment(), "NOTIFY_SOCKET": str(path)},
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._notify = notify
        if ready:
            self.wait_notified("READY=1")
        return self

    def wait_notified(self, wanted: str) -> list[str]:
        """What artacd told its notify socket, up to and with the line that starts so."""
        assert self.process is not None
        told: list[str] = []
        deadline = time.monotonic() + _PATIENCE
        while True:
            self._notify.settimeout(0.2)
            try:
                told += self._notify.recv(65536).decode().splitlines()
            except TimeoutError:
                if self.process.poll() is not None:
                    raise AssertionError(f"artacd ended early:\n{self.log()}") from None
                if time.monotonic() > deadline:
                    raise AssertionError(f"no {wanted} in {told}:\n{self.log()}") from None
                continue
            if any(line.startswith(wanted) for line in told):
                return told

    def stop(self) -> int:
        """SIGTERM, as systemctl stop; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: the crash that nothing can prepare for."""
        self._end(signal.SIGKILL)

    def restart(self) -> Backend:
        self.stop()
        return self.start()

    def _end(self, number: int) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self._notify.close()
        return code

    def wait_log(self, text: str) -> str:
        """The log, once it has that text."""
        return until(lambda: self.log() if text in self.log() else "", f"{text!r} in the log")

    def log(self) -> str:
        return self.log_path.read_text() if self.log_path.exists() else ""

    # The API

    def call(self, method: str, path: str, body: object = None, timeout: float = 90) -> Any:
        """An answer's JSON; ApiError for an error."""
        with self.connection(timeout) as connection:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, body=data)
            response = connection.getresponse()
            content = json.loads(response.read())
        if response.status >= 400:
            error = content["error"]
            raise ApiError(response.status, error["kind"], error["message"])
        return content

    def artac(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The command line against it."""
        return subprocess.run(
            [sys.executable, "-m", "artac_daemon.cli.main", *words],
            env=self.environment(),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=check,
        )

    @contextmanager
    def connection(self, timeout: float = 60) -> Iterator[http.client.HTTPConnection]:
        connection = _Connection(self.socket, timeout)
        try:
            yield connection
        finally:
            connection.close()

    def run(self, prompt: str | None = None, **content: Any) -> dict[str, Any]:
        """Start a session; its JSON with the prompt's uuid beside it."""
        request = {"cwd": str(self.work), "prompt": prompt, **content}
        answer = self.call("POST", "/v1/sessions", request)
        session: dict[str, Any] = {**answer["session"], "prompt": answer.get("prompt")}
        return session

    def show(self, ref: str) -> dict[str, Any]:
        session: dict[str, Any] = self.call("GET", f"/v1/sessions/{ref}")["session"]
        return session

    def list(self, ended: bool = True) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/v1/sessions?all={int(ended)}")["sessions"]
        return found

    def send(self, ref: str, text: str, chosen: str | None = None) -> dict[str, Any]:
        accepted: dict[str, Any] = self.call(
            "POST", f"/v1/sessions/{ref}/messages", {"text": text, "uuid": chosen}
        )
        return accepted

    def hand(self, ref: str, text: str) -> dict[str, Any]:
        """Send a message, and wait until it is with Claude: from then on it needs no backend."""
        sent = self.send(ref, text)
        path = f"/v1/sessions/{ref}/messages/{sent['uuid']}"
        until(lambda: self.call("GET", path)["message"]["state"] != "queued", "Claude has it")
        return sent

    def turn(self, ref: str, accepted: Mapping[str, Any], wait: float = 60) -> dict[str, Any]:
        """How the turn of an accepted message went."""
        path = f"/v1/sessions/{ref}/turns/{accepted['uuid']}?wait={wait}"
        found: dict[str, Any] = self.call("GET", f"{path}&offset={accepted['offset']}")
        return found

    def ask(self, ref: str, text: str) -> dict[str, Any]:
        """Send a message and wait for its turn."""
        return self.turn(ref, self.send(ref, text))

    def wait(self, ref: str, states: str = "ended", wait: float = 60) -> dict[str, Any]:
        """The session, once it is in one of those states."""
        answer = self.call("GET", f"/v1/sessions/{ref}/wait?for={states}&wait={wait}")
        assert answer["reached"], f"still {answer['session']['state']}, not {states}"
        session: dict[str, Any] = answer["session"]
        return session

    def kill_all(self) -> None:
        """End the sessions that run; one may have ended by itself meanwhile."""
        for session in self.list(ended=False):
            try:
                self.call("POST", f"/v1/sessions/{session['id']}/kill")
            except ApiError as error:
                if error.kind != "not-running":
                    raise

    def output(self, ref: str) -> bytes:
        return (self.state / "sessions" / ref / "output").read_bytes()

    # Leaving nothing

    def leftovers(self) -> list[str]:
        """Processes that belong to this backend or its sessions."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                environ = (entry / "environ").read_bytes()
                where = os.readlink(entry / "cwd")
                command = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:
                continue
            ours = self.mark.encode() in environ or where.startswith(str(self.root))
            if ours and command:
                found.append(f"{entry.name} {command.replace(chr(0), ' ')}")
        return found

    def end_leftovers(self) -> None:
        for line in self.leftovers():
            try:
                os.kill(int(line.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                continue


def until(look: Callable[[], Any], what: str, patience: float = _PATIENCE) -> Any:
    """The first true thing that `look` finds: for what has no event that a test could wait for."""
    deadline = time.monotonic() + patience
    pause = 0.005
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(pause)
        pause = min(0.1, pause * 2)
    raise AssertionError(f"not within {patience:g} s: {what}")
