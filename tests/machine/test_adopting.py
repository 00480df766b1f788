"""`artac adopt`: Claude Code that somebody has started by hand becomes a session."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.backend import until
from tests.support.way import CLAUDE_ENVIRONMENT, Way

HEADLESS = [
    *("claude", "-p", "--verbose", "--input-format", "stream-json"),
    *("--output-format", "stream-json", "--allowed-tools", "Bash"),
]
# `script` gives it a terminal; it is the parent that gets the exit status.
TERMINAL = ["script", "--quiet", "--return", "--command", "claude", "/dev/null"]


def message(text: str) -> bytes:
    said = {"role": "user", "content": [{"type": "text", "text": text}]}
    return json.dumps({"type": "user", "message": said, "uuid": str(uuid.uuid4())}).encode() + b"\n"


@contextmanager
def by_hand(
    way: Way, command: list[str] = HEADLESS
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Claude Code in a login of the account's (a nologin one has but a service), and its pid."""
    login = way.account != "artac"
    env = {**CLAUDE_ENVIRONMENT, "TERM": "xterm"}
    work = str(way.work)
    with way.machine.background(
        ["sh", "-c", 'cd "$0"; "$@"; echo "the end: $?"', work, *command],
        user=way.account,
        env=env,
        login=login,
    ) as process:
        found: list[int] = []

        def started() -> bool:
            listed = way.machine.ns("pgrep", "-x", "-U", way.account, "claude", check=False).stdout
            found[:] = map(int, listed.split())
            return bool(found)

        until(started, "Claude Code runs")
        yield process, found[0]


def result(process: subprocess.Popen[bytes]) -> bytes:
    """The line of the next turn's result."""
    assert process.stdout is not None
    for line in iter(process.stdout.readline, b""):
        if b'"type":"result"' in line:
            return line
    raise AssertionError("it ended before a result")


def cgroup(way: Way, pid: int) -> str:
    lines = way.machine.ns("cat", f"/proc/{pid}/cgroup").stdout.splitlines()
    return next(line[3:] for line in lines if line.startswith("0::"))


@pytest.fixture
def linger(way: Way) -> Way:
    way.machine.linger(way.account)
    way.configure()
    way.start()
    return way


def test_a_headless_one_goes_on_where_it_was_and_is_ended_as_a_session(linger: Way) -> None:
    with by_hand(linger) as (process, pid):
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(message('tool: sh -c "sleep 4412"'))
        process.stdin.flush()
        # A whole line: what has the command in its own is about to start it.
        exact = ("pgrep", "-x", "-f", "sleep 4412")
        until(lambda: linger.machine.ns(*exact, check=False).stdout, "the tool runs")
        told = linger.artac("adopt", str(pid), "--name", "taken").stdout
        assert "adopted" in told and "input and output stay where they were" in told
        session = linger.status("taken")
        assert (session["kind"], session["placement"]) == ("adopted", "scope")
        assert session["persistent"] and session["claude"]["pid"] == pid
        assert session["cwd"] == str(linger.work) and session["state"] == "running"
        unit = f"artac-session-{session['id']}.scope"
        assert cgroup(linger, pid).endswith(f"/{unit}/claude")
        listed = {row["pid"] for row in session["processes"]}
        tool = linger.machine.ns(*exact).stdout.split()[0]
        assert int(tool) in listed
        for words in (
            ("send", "taken", "hello"),
            ("logs", "taken"),
            ("logs", "--raw", "taken"),
            ("events", "taken"),
            ("interrupt", "taken"),
            ("persist", "taken", "off"),
            ("adopt", str(pid)),
        ):
            refused = linger.artac(*words, check=False)
            assert refused.returncode in (2, 6) and refused.stderr.count("\n") == 1, refused
        assert "it has not ended" in linger.artac("why", "taken").stdout
        # It answers where it always did.
        linger.machine.ns("kill", tool)
        result(process)
        process.stdin.write(message("hello again"))
        process.stdin.flush()
        assert b"hello again" in result(process)
        process.stdin.write(message('tool: sh -c "(setsid sleep 4411 &) ; echo left"'))
        process.stdin.flush()
        assert b"left" in result(process)
        linger.stop()
        assert linger.is_alive(pid)
        linger.start()
        assert linger.status("taken")["claude"]["pid"] == pid
        linger.artac("stop", "taken")
        end = linger.status("taken")["end"]
        assert end["reason"] == "stopped" and not linger.is_alive(pid)
        assert process.stdout.read().rstrip().endswith(b"the end: 143")
    # One that it had left behind went with it.
    assert linger.processes() == []


def test_a_terminal_one_is_adopted_and_its_own_end_is_told(linger: Way) -> None:
    home = linger.machine.home(linger.account)
    trusted = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": ["sk-ant-none-of-anybody"[-20:]]},
        "projects": {str(linger.work): {"hasTrustDialogAccepted": True}},
    }
    linger.machine.run(
        ["sh", "-c", "cat >.claude.json"], user=linger.account, input=json.dumps(trusted), cwd=home
    )
    with by_hand(linger, TERMINAL) as (_, pid):
        linger.artac("adopt", str(pid), "--name", "tui")
        before = linger.status("tui")["cgroup"]
        assert cgroup(linger, pid) == before.removeprefix("/sys/fs/cgroup") + "/claude"
        linger.machine.ns("kill", "-KILL", str(pid))
        linger.artac("wait", "tui", "--timeout", "20s")
        end = linger.status("tui")["end"]
        # Linux 6.15 tells the exit status of a process that is not a child.
        if end["lost"]:
            assert "went to the process that had started it" in end["sentence"]
        else:
            assert (end["reason"], end["signal"]) == ("killed", 9)
    linger.machine.ns("rm", "-f", f"{home}/.claude.json")


def test_kill_ends_the_whole_tree_of_an_adopted_one(system: Way) -> None:
    system.machine.linger("artac")
    system.configure()
    system.start()
    with by_hand(system) as (process, pid):
        assert process.stdin is not None
        process.stdin.write(message('tool: sh -c "trap : TERM; sleep 4413 & sleep 4414"'))
        process.stdin.flush()
        until(lambda: any("sleep 4414" in row for row in system.processes()), "the tool runs")
        system.artac("adopt", str(pid), "--name", "taken")
        system.artac("kill", "taken")
        assert system.status("taken")["end"]["reason"] == "killed"
        assert not any("sleep 44" in row for row in system.processes())


def test_a_backend_that_dies_while_it_adopts_goes_on_when_it_is_back(system: Way) -> None:
    system.machine.linger("artac")
    system.configure()
    system.start()
    tool = system.machine.path("/usr/local/sbin") / "busctl"
    done = 'case "$*" in *Attach*) /usr/bin/busctl "$@"; kill -KILL $PPID; exit;; esac'
    with by_hand(system) as (_, pid):
        cursor = system.machine.journal_cursor()
        tool.write_text(f'#!/bin/sh\n{done}\nexec /usr/bin/busctl "$@"\n')
        tool.chmod(0o755)
        try:
            system.artac("adopt", str(pid), "--name", "taken", check=False)
        finally:
            tool.unlink()
        system.wait_ready(cursor)
        session = system.status("taken")
        assert (session["state"], session["claude"]["pid"]) == ("running", pid)
        assert cgroup(system, pid).endswith(f"artac-session-{session['id']}.scope/claude")
        freeze = system.machine.path(session["cgroup"]) / "claude/cgroup.freeze"
        until(lambda: freeze.read_text().strip() == "0", "it is not frozen")
        system.artac("stop", "taken")
        assert system.status("taken")["end"]["reason"] == "stopped"


def test_what_cannot_be_adopted_is_refused_and_nothing_changes(system: Way) -> None:
    system.machine.linger("artac")
    system.configure()
    system.start()
    hosted = system.run("hello")
    system.wait(hosted["id"], "idle")
    status = system.status(hosted["id"])
    with system.machine.background(["sleep", "4415"], user="artac"):
        until(lambda: any("sleep 4415" in row for row in system.processes()), "a process")
        other = system.machine.ns("pgrep", "-U", "artac", "-f", "sleep 4415$").stdout.strip()
        for pid, code, says in (
            ("1", 5, "uid 0"),
            ("4194303", 4, "no process"),
            ("zero", 2, "no process id"),
            ("0", 2, "pid is missing"),
            (str(status["claude"]["pid"]), 6, hosted["id"]),
            (str(status["keeper"]["pid"]), 6, hosted["id"]),
            (str(system.main_pid()), 6, "this daemon"),
            (other, 2, "no Claude Code"),
        ):
            refused = system.artac("adopt", pid, check=False)
            assert refused.returncode == code and says in refused.stderr, (pid, refused)
            assert refused.stderr.count("\n") == 1
    system.artac("kill", hosted["id"])
    with by_hand(system) as (_, pid):
        place = cgroup(system, pid)
        tool = system.machine.path("/usr/local/sbin") / "busctl"
        tool.write_text("#!/bin/sh\necho 'Call failed: Access denied' >&2\nexit 1\n")
        tool.chmod(0o755)
        try:
            refused = system.artac("adopt", str(pid), check=False)
        finally:
            tool.unlink()
        assert refused.returncode == 1 and "Access denied" in refused.stderr
        assert system.is_alive(pid) and cgroup(system, pid) == place
    assert len(json.loads(system.artac("ls", "--all", "--json").stdout)) == 1
    until(lambda: system.scopes() == [], "no scope is left")
