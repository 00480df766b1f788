"""The default: sessions live in the service's cgroup and nothing of them outlives it."""

from __future__ import annotations

import pytest

from tests.support.backend import until
from tests.support.way import Way

# Claude Code refuses a bare `sleep` as a tool of this length.
_ESCAPE = "tool: sh -c \"(setsid sleep 4321 &) ; setsid sh -c 'sleep 4322' & echo escaped\""


def escaped_session(artac: Way) -> str:
    """A session whose tool has left processes in sessions of their own."""
    session = artac.run("--allowed-tools", "Bash", _ESCAPE)
    artac.wait(session["id"], "idle")
    found = "\n".join(artac.processes())
    assert "sleep 4321" in found and "sleep 4322" in found
    return str(session["id"])


def test_a_stop_leaves_nothing(way: Way) -> None:
    way.configure()
    way.start()
    session = escaped_session(way)
    assert way.status(session)["placement"] == "service"
    way.stop()
    assert way.processes() == []
    assert way.show("Result") == "success"
    assert "Claude sessions terminated (1)" in way.log()
    way.start()
    assert way.status(session)["end"]["reason"] == "backend-stopped"


def test_a_crash_leaves_nothing(system: Way) -> None:
    system.configure()
    system.start()
    session = escaped_session(system)
    system.crash()
    assert system.processes() == []
    assert system.status(session)["end"]["reason"] == "backend-stopped"


def test_a_hung_backend_is_replaced_and_leaves_nothing(system: Way) -> None:
    system.configure()
    system.drop_in("watchdog", "[Service]\nWatchdogSec=10s\nTimeoutStopSec=3s\n")
    try:
        system.start()
        session = escaped_session(system)
        cursor = system.machine.journal_cursor()
        pid = system.main_pid()
        system.machine.ns("kill", "-STOP", str(pid))
        system.wait_ready(cursor)
        assert system.main_pid() != pid
        assert system.processes() == []
        assert system.status(session)["state"] == "ended"
    finally:
        system.drop_in("watchdog", "")


def test_a_turn_under_way_is_ended_in_order(system: Way) -> None:
    system.configure()
    system.start()
    session = system.run("slow: 300 one two three")
    system.wait(session["id"], "working")
    system.stop()
    system.start()
    end = system.status(session["id"])["end"]
    assert end["reason"] == "backend-stopped"
    assert end["exit_code"] is not None, "Claude ended by itself, it was not killed"


def test_a_session_leaves_no_process_and_no_cgroup_when_claude_ends(system: Way) -> None:
    system.configure()
    system.start()
    session = escaped_session(system)
    system.machine.ns("kill", "-KILL", str(system.status(session)["claude"]["pid"]))
    system.artac("wait", session, "--for", "ended", "--timeout", "20s")
    end = system.status(session)["end"]
    assert (end["reason"], end["signal"], end["left_behind"]) == ("killed", 9, 3)
    # The keeper tells the end, and then ends itself.
    until(lambda: system.processes() == [], "nothing of it")
    cgroup = system.machine.path("/sys/fs/cgroup/system.slice/artac.service")
    until(lambda: not list((cgroup / "sessions").glob("session-*")), "its cgroup is gone")


@pytest.mark.parametrize("value", ["maybe", "2"])
def test_a_bad_setting_is_refused_with_its_place(system: Way, value: str) -> None:
    system.configure(PERSIST_CLAUDE_SESSIONS=value)
    assert system.systemctl("start", system.unit, check=False).returncode != 0
    assert system.show("ExecMainStatus") == "78"
    assert system.show("NRestarts") == "0"
    said = system.log().splitlines()[-1]
    assert "PERSIST_CLAUDE_SESSIONS" in said and value in said and "true" in said
