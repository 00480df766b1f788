"""The life of all sessions, told to scripts: in order, each end once, over every restart."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import cache, capability
from tests.support.backend import Backend, until

MakeBackend = Callable[..., Backend]
Told = dict[str, Any]


def artac(backend: Backend, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "artac_daemon.cli.main", *argv],
        env=backend.environment(), cwd=backend.root, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def told(backend: Backend, *argv: str) -> list[Told]:
    ran = artac(backend, "events", *argv)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def of(events: list[Told], ref: str) -> list[str]:
    """The events of a session, without what it is doing: that is a matter of timing."""
    return [e["event"] for e in events if e["session"] == ref and e["event"] != "state"]


def ends(events: list[Told]) -> Counter[str]:
    return Counter(event["session"] for event in events if event["event"] == "ended")


def readers(backend: Backend) -> bool:
    """Whether somebody follows something."""
    with backend.connection() as connection:
        connection.request("GET", "/metrics")
        return b"\nartac_api_readers 1\n" in connection.getresponse().read()


@contextmanager
def following(backend: Backend, *argv: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "artac_daemon.cli.main", "events", "-f", *argv],
        env=backend.environment(), cwd=backend.root, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_of(process: subprocess.Popen[str], event: str) -> Told:
    """The next event of that name, whatever comes before it."""
    assert process.stdout is not None
    for line in process.stdout:
        found: Told = json.loads(line)
        if found["event"] == event:
            return found
    assert process.stderr is not None
    raise AssertionError(f"it ended without {event}: {process.stderr.read()}")


def test_a_sessions_life_from_start_to_removal(backend: Backend) -> None:
    session = backend.run("hello", name="api")
    ref = session["id"]
    backend.turn(ref, session["prompt"])
    backend.wait(ref, "idle")
    backend.call("POST", f"/v1/sessions/{ref}/stop")
    backend.call("DELETE", f"/v1/sessions/{ref}")
    events = told(backend)
    assert events[0]["event"] == "backend-started" and events[0]["session"] is None
    assert of(events, ref) == ["started", "stop-asked", "ended", "removed"]
    by_name = {event["event"]: event for event in events}
    assert by_name["started"]["kind"] == "headless" and by_name["started"]["name"] == "api"
    assert by_name["stop-asked"]["why"] == "stop" and "uid" in by_name["stop-asked"]["by"]
    assert by_name["ended"]["reason"] == "stopped" and by_name["ended"]["sentence"]
    states = [(e["old"], e["new"]) for e in events if e["event"] == "state"]
    assert ("working", "idle") in states and states[-1] == ("idle", "stopping")
    assert all(later[0] == earlier[1] for earlier, later in itertools.pairwise(states))
    cursors = [int(event["cursor"]) for event in events]
    assert cursors == sorted(set(cursors))
    assert all(event["at"] > 0 for event in events)
    # From any cursor on it is the rest, no more and no less.
    for number, event in enumerate(events):
        assert told(backend, "--cursor", event["cursor"]) == events[number + 1 :]
    assert told(backend, "--cursor", "") == events
    assert (backend.state / "events").stat().st_mode & 0o777 == 0o600


def test_nothing_is_told_of_what_was_said(backend: Backend) -> None:
    session = backend.run("the secret is plover", env={"KEY": "sk-xyzzy"})
    backend.turn(session["id"], session["prompt"])
    content = (backend.state / "events").read_text()
    assert session["id"] in content and "plover" not in content and "xyzzy" not in content


def test_following_goes_on_over_a_stop_and_a_kill_and_misses_nothing(persistent: Backend) -> None:
    with following(persistent) as process:
        until(lambda: readers(persistent), "it follows from now on")
        one = persistent.run(name="one")
        assert next_of(process, "started")["session"] == one["id"]
        persistent.wait("one", "idle")
        persistent.kill()
        persistent.start()
        assert next_of(process, "adopted")["session"] == one["id"]
        persistent.restart()
        assert next_of(process, "backend-stopping")["session"] is None
        persistent.call("POST", "/v1/sessions/one/kill")
        end = next_of(process, "ended")
        assert (end["session"], end["reason"]) == (one["id"], "killed")


def test_from_start_tells_what_is_kept_first(backend: Backend) -> None:
    session = backend.run("!exit 0")
    backend.wait(session["id"])
    with following(backend, "--from-start") as process:
        assert next_of(process, "started")["session"] == session["id"]
        assert next_of(process, "ended")["session"] == session["id"]
        after = backend.run()
        assert next_of(process, "started")["session"] == after["id"]


def test_a_daemon_that_does_not_come_back_is_an_error_with_the_cursor(backend: Backend) -> None:
    with following(backend, "--from-start") as process:
        last = next_of(process, "backend-started")
        backend.stop()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 7
    cursor = re.search(r"--cursor (\d+)", errors.splitlines()[-1])
    assert cursor is not None and int(cursor[1]) >= int(last["cursor"])
    backend.start()
    assert told(backend, "--cursor", cursor[1])[-1]["event"] == "backend-started"


@pytest.mark.parametrize("cursor", ["x", "-1", "99999999", "1", "1e3", "9" * 40, "\N{BELL}\x1b[2J"])
def test_what_is_no_cursor_is_one_clear_line(backend: Backend, cursor: str) -> None:
    ran = artac(backend, "events", f"--cursor={cursor}")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1 and "cursor" in ran.stderr and "\x1b" not in ran.stderr


@pytest.mark.parametrize(
    "argv", [["--offset", "3"], ["--with-offsets"], ["x", "--cursor", "3"], ["x", "--from-start"],
             ["--cursor", "3", "--from-start"]],
)  # fmt: skip
def test_options_that_do_not_go_together(backend: Backend, argv: list[str]) -> None:
    ran = artac(backend, "events", *argv)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)


def test_each_end_is_told_once_whenever_the_backend_is_killed(persistent: Backend) -> None:
    """Sessions end at the very moments at which backends are killed and started."""
    started: set[str] = set()
    for pause in (0.0, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08):
        sessions = [persistent.run() for _ in range(3)]
        started |= {session["id"] for session in sessions}
        for session in sessions:
            persistent.wait(session["id"], "idle")
            persistent.send(session["id"], "!exit 0")
        time.sleep(pause)  # not to wait for something: to vary where the kill strikes
        persistent.kill()
        # As a writer leaves it that is killed in the midst of a line.
        with (persistent.state / "events").open("ab") as file:
            file.write(b'{"at": 1, "event": "ended", "session": "')
        persistent.start()
    for ref in started:
        persistent.wait(ref)
    persistent.restart()
    events = told(persistent)
    assert ends(events) == dict.fromkeys(started, 1)
    assert Counter(e["session"] for e in events if e["event"] == "started") == ends(events)
    for ref in started:
        order = of(events, ref)
        assert order.index("started") == 0 and order[-1] == "ended"


def test_an_end_that_nobody_saw_is_told_at_the_next_start(persistent: Backend) -> None:
    session = persistent.run()
    persistent.wait(session["id"], "idle")
    keeper = persistent.show(session["id"])["keeper"]["pid"]
    cursor = told(persistent)[-1]["cursor"]
    persistent.kill()
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not persistent.leftovers(), "the session's end")
    persistent.start()
    later = told(persistent, "--cursor", cursor)
    assert [event["event"] for event in later] == ["backend-started", "ended"]
    assert later[1]["reason"] == "lost"
    persistent.restart()
    assert ends(told(persistent)) == {session["id"]: 1}


def test_ends_of_before_there_were_events_are_told(persistent: Backend) -> None:
    session = persistent.run("!exit 0")
    persistent.wait(session["id"])
    persistent.stop()
    (persistent.state / "events").unlink()
    persistent.start()
    assert of(told(persistent), session["id"]) == ["started", "ended"]


def test_a_reader_that_comes_too_late_is_told_what_is_gone(backend: Backend) -> None:
    cursor = told(backend)[0]["cursor"]
    path = backend.state / "events"
    backend.stop()
    with path.open("ab") as file:
        for _ in range(100):
            file.write(json.dumps({"at": 1, "event": "padding", "pad": "x" * 500}).encode() + b"\n")
    punched = ["fallocate", "--punch-hole", "--offset", "0", "--length", "16384", str(path)]
    if subprocess.run(punched, capture_output=True).returncode:
        capability.require("this file system cannot punch holes")
    backend.start()
    first, *rest = told(backend, "--cursor", cursor)
    assert (first["event"], first["bytes"]) == ("dropped", 16384 - int(cursor))
    assert rest == told(backend, "--cursor", first["cursor"])
    assert all(
        event["event"] in ("padding", "backend-stopping", "backend-started") for event in rest
    )
    assert told(backend)[0]["event"] == "padding"


def test_a_full_disk_stops_no_session_and_is_told_once(small_disk: Backend) -> None:
    sessions = [small_disk.run() for _ in range(2)]
    for session in sessions:
        small_disk.wait(session["id"], "idle")
    small_disk.stop()
    (small_disk.state / "events").unlink()  # it has room left in its last page
    filler = small_disk.state / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    small_disk.start()
    os.kill(small_disk.show(sessions[0]["id"])["claude"]["pid"], signal.SIGKILL)
    assert small_disk.wait(sessions[0]["id"])["end"]["reason"] == "killed"
    assert told(small_disk) == []
    filler.unlink()
    assert small_disk.ask(sessions[1]["id"], "still there?")["outcome"] == "success"
    assert small_disk.log().count("events are not written") == 1
    assert small_disk.log().count("events are written again") == 1
    small_disk.send(sessions[1]["id"], "!exit 0")
    small_disk.wait(sessions[1]["id"])
    assert ends(told(small_disk)) == {session["id"]: 1 for session in sessions}


def test_the_pages_script_tells_every_end_once(persistent: Backend, tmp_path: Path) -> None:
    page = (cache.PROJECT / "docs/observability.md").read_text()
    (script,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (tmp_path / "ends.py").write_text(script)
    launcher = tmp_path / "artac"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m artac_daemon.cli.main "$@"\n')
    launcher.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {**persistent.environment(), "PATH": path, "STATE_DIRECTORY": str(tmp_path)}
    printed = tmp_path / "printed"

    @contextmanager
    def running() -> Iterator[None]:
        with printed.open("a") as out:
            process = subprocess.Popen(
                [sys.executable, str(tmp_path / "ends.py")],
                env=environment, stdout=out, start_new_session=True,
            )  # fmt: skip
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def end(name: str) -> None:
        persistent.run("!exit 0", name=name)
        persistent.wait(name)

    def all_of(*names: str) -> bool:
        return printed.read_text().split() == [
            word for name in names for word in (name, "completed")
        ]

    with running():
        end("first")
        until(lambda: all_of("first"), "the first end")
        persistent.kill()
        persistent.start()
        end("second")
        until(lambda: all_of("first", "second"), "the second end, over a crash of the daemon")
    until((tmp_path / "cursor").exists, "the cursor on disk")
    end("meanwhile")
    with running():
        end("last")
        until(lambda: "last" in printed.read_text(), "the last end")
    # The end whose cursor the kill came before may be told again; none is missing.
    names = printed.read_text().split()[::2]
    assert list(dict.fromkeys(names)) == ["first", "second", "meanwhile", "last"]
