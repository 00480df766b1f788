"""What a terminal session is said to do: by Claude's hooks, its registry, both of them, neither."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.daemon.terminal_state import TerminalState
from artac_daemon.host import processes
from artac_daemon.host.inotify import GrowthWatch
from artac_daemon.model.session import State
from tests.support.backend import ApiError, Backend, until
from tests.support.keeper_client import KeeperClient

WAYS = ("both", "hooks", "registry")


def start(backend: Backend, tells: str = "both", **content: Any) -> str:
    """A terminal session whose Claude tells of itself in that way; idle."""
    if tells == "hooks":
        content["env"] = {"STANDIN_NO_REGISTRY": "1"}
    if tells == "registry":
        content["claude_args"] = ["--settings", '{"disableAllHooks": true}']
    session: str = backend.run(kind="terminal", **content)["id"]
    backend.wait(session, "idle")
    return session


def press(backend: Backend, session: str, keys: str) -> None:
    with KeeperClient(backend.state / "sessions" / session) as keeper:
        assert keeper.ask({"op": "write", "key": "", "line": keys})["result"] == "written"


def states(backend: Backend, session: str) -> list[str]:
    """Each state that it was told to have come to."""
    events = [json.loads(line) for line in (backend.state / "events").read_bytes().splitlines()]
    return [
        event["new"]
        for event in events
        if event.get("event") == "state" and event.get("session") == session
    ]


@pytest.mark.parametrize("tells", WAYS)
def test_a_turn_with_a_permission_is_followed(backend: Backend, tells: str) -> None:
    session = start(backend, tells)
    press(backend, session, "!permission while ! test -e go; do sleep 0.05; done\r")
    backend.wait(session, "needs-permission")
    assert [row["state"] for row in backend.list()] == ["needs-permission"]
    press(backend, session, "1")
    if tells != "hooks":  # which tell of an approval when the tool has ended
        backend.wait(session, "working")
    (backend.work / "go").touch()
    backend.wait(session, "idle")
    # What is read at once is told at once: a state that was over by then is left out.
    told = states(backend, session)
    expected = iter(["idle", "working", "needs-permission", "working", "idle"])
    assert all(state in expected for state in told), told
    assert told[0] == told[-1] == "idle" and "needs-permission" in told


@pytest.mark.parametrize("key", ["3", "\x1b"])
@pytest.mark.parametrize("tells", ["both", "registry"])
def test_a_refused_permission_ends_the_turn(backend: Backend, tells: str, key: str) -> None:
    session = start(backend, tells)
    press(backend, session, "!permission true\r")
    backend.wait(session, "needs-permission")
    press(backend, session, key)
    backend.wait(session, "idle")


def test_an_interrupt_is_seen(backend: Backend) -> None:
    session = start(backend)
    press(backend, session, "!slow 60\r")
    backend.wait(session, "working")
    backend.call("POST", f"/v1/sessions/{session}/interrupt")
    backend.wait(session, "idle")


def test_between_a_turn_and_a_queued_one_it_is_not_idle(backend: Backend) -> None:
    session = start(backend)
    press(backend, session, "!slow 5\r")
    backend.wait(session, "working")
    press(backend, session, "and then\r!slow 1\r")
    until(lambda: b"said: and then" in backend.output(session), "the queued turn")
    backend.wait(session, "idle")
    until(lambda: backend.output(session).count(b"said: !slow") == 2, "all turns")
    backend.wait(session, "idle")
    assert states(backend, session) == ["idle", "working", "idle"]


@pytest.mark.parametrize("tells", WAYS)
def test_a_backend_that_comes_back_knows_what_went_on(persistent: Backend, tells: str) -> None:
    asked, rests = start(persistent, tells), start(persistent, tells)
    persistent.kill()
    press(persistent, asked, "!permission true\r")
    until(lambda: b"want to proceed" in persistent.output(asked), "the question")
    persistent.start()
    persistent.wait(asked, "needs-permission")
    persistent.wait(rests, "idle")
    press(persistent, asked, "1")
    persistent.wait(asked, "idle")
    persistent.stop()
    persistent.start()
    assert [row["state"] for row in persistent.list()] == ["idle", "idle"]


def test_the_entry_of_another_process_with_its_pid_counts_for_nothing(persistent: Backend) -> None:
    session = start(persistent)
    entry = persistent.home / f".claude/sessions/{persistent.show(session)['claude']['pid']}.json"
    persistent.kill()
    told = json.loads(entry.read_text())
    entry.write_text(json.dumps({**told, "procStart": "1", "status": "busy"}))
    persistent.start()
    persistent.wait(session, "idle")  # by the hooks
    entry.unlink()
    os.mkfifo(entry)
    persistent.kill()
    persistent.start()
    persistent.wait(session, "idle")


def test_who_tells_nothing_is_said_to_run(tmp_path: Path) -> None:
    async def first() -> State:
        told: asyncio.Queue[State] = asyncio.Queue()
        growth = GrowthWatch()
        claude = processes.identify(os.getpid())
        state = TerminalState(tmp_path / "hooks", claude, 0.0, growth, told.put_nowait)
        state.start()
        try:
            return await asyncio.wait_for(told.get(), 20)
        finally:
            state.close()
            growth.close()

    assert asyncio.run(first()) is State.RUNNING


def test_a_users_own_settings_go_on_working(backend: Backend) -> None:
    theirs = {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "touch stopped"}]}]}}
    (backend.work / "mine.json").write_text(json.dumps(theirs))
    session = start(backend, claude_args=["--settings", "mine.json"])
    press(backend, session, "hello\r")
    until((backend.work / "stopped").exists, "their hook")
    backend.wait(session, "idle")
    directory = backend.state / "sessions" / session
    for name in ("settings", "hooks"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    with pytest.raises(ApiError) as refused:
        backend.run(kind="terminal", claude_args=["--settings", "none.json"])
    assert refused.value.kind == "usage" and "none.json" in refused.value.message
    assert len(backend.list()) == 1


def test_a_headless_session_gets_no_hooks(backend: Backend) -> None:
    session = backend.run("hello", claude_args=["--settings", "{}"])["id"]
    pid = backend.show(session)["claude"]["pid"]
    argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    assert argv[argv.index(b"--settings") + 1] == b"{}"
    assert not (backend.state / "sessions" / session / "hooks").exists()


def test_what_hooks_have_told_is_bounded_on_disk(backend: Backend) -> None:
    session = start(backend, "hooks")
    file = backend.state / "sessions" / session / "hooks"
    line = json.dumps({"at": 1.0, "hook_event_name": "PostToolUse", "tool_name": "x" * 900}) + "\n"
    with file.open("a") as writer:
        writer.write(line * 2000)
    until(lambda: file.stat().st_blocks * 512 < 300_000, "less on disk")
    press(backend, session, "!slow 60\r")
    backend.wait(session, "working")
    backend.kill()
    backend.start()
    backend.wait(session, "working")


def test_a_line_that_never_ends_is_passed_over(backend: Backend) -> None:
    session = start(backend, "hooks")
    with (backend.state / "sessions" / session / "hooks").open("a") as writer:
        writer.write("x" * 200_000 + "\n")
    press(backend, session, "!slow 60\r")
    backend.wait(session, "working")


def test_an_idle_terminal_ends_by_its_timeout_and_one_that_asks_does_not(backend: Backend) -> None:
    asks = start(backend)
    press(backend, asks, "!permission true\r")
    backend.wait(asks, "needs-permission")
    for reference in (asks, rests := start(backend)):
        backend.call("POST", f"/v1/sessions/{reference}/limits", {"limits": {"idle": "1s"}})
    assert backend.wait(rests)["end"]["reason"] == "timeout"
    assert backend.show(asks)["state"] == "needs-permission"


def test_a_stop_interrupts_a_turn_first(backend: Backend) -> None:
    session = start(backend)
    press(backend, session, "!slow 60\r")
    backend.wait(session, "working")
    end = backend.call("POST", f"/v1/sessions/{session}/stop")["session"]["end"]
    assert end["reason"] == "stopped" and end["signal"] is None
    assert b"Interrupted" in backend.output(session)


def test_metrics_count_a_terminals_states(backend: Backend) -> None:
    session = start(backend)
    press(backend, session, "!permission true\r")
    backend.wait(session, "needs-permission")
    with backend.connection() as connection:
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
    assert 'artac_sessions{state="needs-permission",placement="detached"} 1' in page


def test_a_backend_that_finds_it_at_work_types_nothing(persistent: Backend) -> None:
    session = start(persistent, "both")
    press(persistent, session, "!permission\r")
    persistent.wait(session, "needs-permission")
    persistent.kill()
    persistent.start()
    persistent.wait(session, "needs-permission")
    press(persistent, session, "1")
    persistent.wait(session, "idle")
    press(persistent, session, "nothing else\r")
    until(lambda: b"you said: nothing else" in persistent.output(session), "an answer")
    assert b"control_request" not in persistent.output(session)
