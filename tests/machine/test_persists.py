"""PERSIST_CLAUDE_SESSIONS=true: whatever ends the backend, sessions go on and are found again."""

from __future__ import annotations

import hashlib
import json
import time
import uuid

import pytest

from tests.machine.ways import make_way
from tests.support.backend import until
from tests.support.machine import Machine
from tests.support.way import Way, prompts


@pytest.fixture
def persistent(system: Way) -> Way:
    """The machine's own artac, persisting and running."""
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    return system


def test_a_session_outlives_a_stop_and_answers_out_of_its_context(way: Way) -> None:
    way.machine.linger(way.account)
    way.configure(PERSIST_CLAUDE_SESSIONS="TRUE")
    way.start()
    session = way.run("--name", "api", "remember the blue door")
    way.wait("api", "idle")
    before = way.status("api")
    way.stop()
    assert "Claude sessions persisted (1)" in way.log()
    assert way.scopes() == [f"artac-session-{session['id']}.scope"]
    assert way.is_alive(before["claude"]["pid"])
    refused = way.artac("send", "api", "anybody there?", check=False)
    assert refused.returncode == 7 and "artac" in refused.stderr
    way.start()
    after = way.status("api")
    assert (after["claude"], after["keeper"]) == (before["claude"], before["keeper"])
    assert "blue door" in way.ask("api", "recall")
    way.artac("stop", "api")
    assert way.status("api")["end"]["reason"] == "stopped"
    until(lambda: way.scopes() == [], "the scope is gone")
    assert way.processes() == []


def test_a_session_outlives_crashes_and_systemds_own_restart(persistent: Way) -> None:
    persistent.run("--name", "api", "one")
    persistent.wait("api", "idle")
    pid = persistent.status("api")["claude"]["pid"]
    persistent.crash()
    assert persistent.status("api")["claude"]["pid"] == pid
    cursor = persistent.machine.journal_cursor()
    persistent.machine.systemctl("daemon-reexec")
    persistent.machine.systemctl_user("artac", "daemon-reexec")
    # It comes back with a new socket after it has let go of the caller's.
    show = ("show", "--property=Version")
    until(
        lambda: persistent.machine.systemctl_user("artac", *show, check=False).returncode == 0,
        "the user's systemd is back",
    )
    until(lambda: persistent.systemctl(*show, check=False).returncode == 0, "systemd is back")
    persistent.systemctl("restart", persistent.unit)
    persistent.wait_ready(cursor)
    assert persistent.status("api")["claude"]["pid"] == pid
    assert "one" in persistent.ask("api", "recall")


def test_what_is_written_while_the_backend_is_down_is_there_to_the_byte(persistent: Way) -> None:
    session = persistent.run("slow: 2 a b c d")
    persistent.wait(session["id"], "working")
    persistent.artac("send", session["id"], f"flood: {10 * 1024 * 1024}")
    persistent.stop()

    def rests() -> bool:
        """Claude has said that it is idle after both turns, and so has nothing more to say."""
        parts = persistent.output(session["id"]).split(b'"type":"result"')
        return len(parts) == 3 and b'"state":"idle"' in parts[2] and parts[2].endswith(b"\n")

    until(rests, "both turns", 150)
    written = persistent.output(session["id"])
    persistent.start()
    logged = persistent.machine.ns(
        *("setpriv", "--reuid=artac", "--regid=artac", "--init-groups"),
        *("sh", "-c", f"artac logs --raw {session['id']} | sha256sum"),
    ).stdout
    assert logged.split()[0] == hashlib.sha256(written).hexdigest()
    assert len(written) > 10 * 1024 * 1024
    assert all(json.loads(line) for line in written.splitlines())


def test_a_log_that_is_followed_misses_no_line_over_a_restart(persistent: Way) -> None:
    session = persistent.run("--name", "api", "one")
    persistent.wait("api", "idle")
    follow = ["artac", "events", "-f", "api"]
    with persistent.machine.background(follow, user="artac") as reader:
        assert reader.stdout is not None
        lines = [reader.stdout.readline()]
        persistent.systemctl("restart", persistent.unit)
        persistent.ask("api", "two")
        persistent.crash()
        persistent.ask("api", "three")
        persistent.artac("stop", "api")
        lines += reader.stdout.read().splitlines(keepends=True)
    assert b"".join(lines) == persistent.output(session["id"])


@pytest.mark.parametrize(
    ("number", "reason", "code", "signal_number"),
    [("KILL", "killed", None, 9), ("TERM", "failed", 143, None), ("INT", "completed", 0, None)],
)
def test_an_end_while_the_backend_is_down_is_told_truly(
    persistent: Way, number: str, reason: str, code: int | None, signal_number: int | None
) -> None:
    session = persistent.run("hello")
    persistent.wait(session["id"], "idle")
    pid = persistent.status(session["id"])["claude"]["pid"]
    persistent.stop()
    persistent.machine.ns("kill", f"-{number}", str(pid))
    until(lambda: not persistent.scopes(), "the scope is gone")
    persistent.start()
    end = persistent.status(session["id"])["end"]
    assert (end["reason"], end["exit_code"], end["signal"]) == (reason, code, signal_number)
    entries = persistent.machine.journal(f"ARTAC_SESSION={session['id']}")
    assert any(entry["SYSLOG_IDENTIFIER"] == "artac-keeper" for entry in entries)


def test_a_scope_that_is_stopped_by_hand_is_told_so(persistent: Way) -> None:
    session = persistent.run("hello")
    persistent.wait(session["id"], "idle")
    persistent.machine.systemctl_user("artac", "stop", f"artac-session-{session['id']}.scope")
    persistent.artac("wait", session["id"], "--timeout", "20s")
    end = persistent.status(session["id"])["end"]
    assert end["reason"] == "stopped" and end["terminated"]
    assert persistent.processes() == []


def test_what_a_killed_keeper_left_is_ended_and_what_is_not_ours_is_left_alone(
    persistent: Way,
) -> None:
    escape = 'tool: sh -c "(setsid sleep 4324 &) ; echo escaped"'
    session = persistent.run("--allowed-tools", "Bash", escape)
    persistent.wait(session["id"], "idle")
    keeper = persistent.status(session["id"])["keeper"]["pid"]
    persistent.stop()
    foreign = ("--user", "--quiet", "--unit=artac-session-zzzzzz", "sleep", "4325")
    scope = ["systemd-run", "--scope", "--description=artac session zzzzzz of /elsewhere"]
    with persistent.machine.background([*scope, *foreign], user="artac"):
        until(lambda: "artac-session-zzzzzz.scope" in persistent.scopes(), "another's scope")
        persistent.machine.ns("kill", "-KILL", str(keeper))
        assert any("sleep 4324" in line for line in persistent.processes())
        persistent.start()
        assert persistent.status(session["id"])["end"]["reason"] == "lost"
        assert persistent.scopes() == ["artac-session-zzzzzz.scope"]
        left = [line for line in persistent.processes() if "systemd-run" not in line]
        assert len(left) == 1 and "sleep 4325" in left[0]
    assert "has processes and no keeper: ended" in persistent.log()
    assert "belongs to another artac of this account: left alone" in persistent.log()


def test_a_message_accepted_just_before_a_crash_runs_exactly_once(persistent: Way) -> None:
    session = persistent.run()
    persistent.wait(session["id"], "idle")
    for attempt in range(3):
        text, chosen = f"once {attempt} {time.time()}", str(uuid.uuid4())
        persistent.artac("send", session["id"], "--uuid", chosen, text)
        persistent.crash()
        persistent.artac("send", session["id"], "--uuid", chosen, text)
        persistent.wait(session["id"], "idle")
        until(lambda t=text: prompts(persistent.machine).get(t), "the prompt reached the model")
        assert prompts(persistent.machine)[text] == 1


def test_a_logout_that_kills_a_users_processes_leaves_sessions_at_work(users: Machine) -> None:
    alice = make_way(users, "user")
    logind = alice.machine.path("/etc/systemd/logind.conf.d")
    logind.mkdir(exist_ok=True)
    (logind / "kill.conf").write_text("[Login]\nKillUserProcesses=yes\n")
    alice.machine.systemctl("restart", "systemd-logind")
    alice.configure(PERSIST_CLAUDE_SESSIONS="yes")
    alice.start()
    try:
        # nohup is what people reach for; it shows that the logout did kill.
        script = "nohup sleep 4323 >/dev/null 2>&1 & artac run --name kept --cwd /tmp hello"
        alice.machine.login("alice", ["sh", "-c", script])
        until(lambda: not any("sleep 4323" in line for line in alice.processes()), "nohup's end")
        assert "hello" in alice.ask("kept", "recall")
    finally:
        (logind / "kill.conf").unlink()
        alice.machine.systemctl("restart", "systemd-logind")
        alice.clean_up()


def test_a_terminal_session_persists_and_is_logged(persistent: Way) -> None:
    home = persistent.machine.home("artac")
    trusted = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": ["sk-ant-none-of-anybody"[-20:]]},
        "projects": {str(persistent.work): {"hasTrustDialogAccepted": True}},
    }
    persistent.machine.run(
        ["sh", "-c", "cat >.claude.json"], user="artac", input=json.dumps(trusted), cwd=home
    )
    session = persistent.run("--terminal")
    until(lambda: len(persistent.output(session["id"])) > 500, "the screen of Claude Code", 30)
    pid = persistent.status(session["id"])["claude"]["pid"]
    persistent.systemctl("restart", persistent.unit)
    assert persistent.status(session["id"])["claude"]["pid"] == pid
    assert persistent.artac("ls").stdout.count("terminal") == 1
    persistent.artac("stop", session["id"])
    assert persistent.status(session["id"])["end"]["reason"] == "stopped"
    assert persistent.processes() == []
