"""`artac persist`: a running session is moved between the service and a scope, and goes on."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.backend import until
from tests.support.way import Way

# Forks and exits without a pause, three generations deep; each generation leaves its mark.
STORM = textwrap.dedent(
    """
    import os, time
    for _ in range(2):
        os.fork()
    count = 0
    while not os.path.exists("halt"):
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(0.003)
                os._exit(0)
            os._exit(0)
        os.wait()
        count += 1
        with open(f"count-{os.getpid()}", "w") as file:
            file.write(str(count))
    """
)


REFUSE = 'echo "Call failed: out of order" >&2; exit 1'


@pytest.fixture
def running(system: Way) -> Way:
    """The machine's own artac, running, its sessions ending with it; its account lingers."""
    system.machine.linger("artac")
    system.configure()
    system.start()
    return system


def members(way: Way, cgroup: str) -> dict[str, list[int]]:
    """The processes of a cgroup by the cgroup below it that they are in."""
    found: dict[str, list[int]] = {}
    script = 'find "$0" -name cgroup.procs | while read f; do echo "$f" $(cat "$f"); done'
    for line in way.machine.ns("sh", "-c", script, cgroup, check=False).stdout.splitlines():
        path, *pids = line.split()
        if pids:
            found[str(Path(path).parent.relative_to(cgroup))] = [int(pid) for pid in pids]
    return found


def frozen(way: Way) -> list[str]:
    """The cgroups of the machine that are frozen."""
    find = ("grep", "-l", "-r", "--include=cgroup.freeze", "1", "/sys/fs/cgroup")
    return way.machine.ns(*find, check=False).stdout.splitlines()


def moved(way: Way, ref: str, wanted: str) -> dict[str, Any]:
    """Move it; its status, once that is what it should be in every respect."""
    before = way.status(ref)
    said = way.artac("persist", ref, wanted).stdout
    after = way.status(ref)
    placement = "scope" if wanted == "on" else "service"
    assert f"moved into {placement}" in said
    assert (after["placement"], after["persistent"]) == (placement, wanted == "on")
    for key in ("keeper", "claude", "claude_session_id", "created_at", "id"):
        assert after[key] == before[key]
    assert sorted(members(way, after["cgroup"])) == ["claude", "keeper"]
    assert members(way, after["cgroup"])["keeper"] == [after["keeper"]["pid"]]
    # A scope's is removed by the manager, once it has seen it empty.
    until(lambda: not way.machine.path(before["cgroup"]).exists(), "the cgroup before is gone")
    scopes = [f"artac-session-{after['id']}.scope"] if wanted == "on" else []
    until(lambda: way.scopes() == scopes, f"the scopes {scopes}")
    assert frozen(way) == []
    return after


def test_a_turn_goes_on_while_its_session_is_moved_to_and_fro(way: Way) -> None:
    way.machine.linger(way.account)
    way.configure()
    way.start()
    wait = "until test -e go; do sleep 0.05; done; echo went"
    session = way.run("--allowed-tools", "Bash", "--name", "api", f"tool: {wait}")
    until(lambda: any("test -e go" in line for line in way.processes()), "the tool runs")
    tools = members(way, way.status("api")["cgroup"])["claude"]
    for wanted in ("on", "off", "on"):
        after = moved(way, "api", wanted)
        assert set(tools[:2]) <= set(members(way, after["cgroup"])["claude"])
        assert after["state"] == "working"
    again = way.artac("persist", "api", "on")
    assert "nothing to move" in again.stdout
    way.artac("send", "api", "and afterwards")
    way.machine.run(["touch", "go"], user=way.account, cwd=str(way.work))
    way.wait("api", "idle")
    said = way.artac("logs", "api").stdout
    assert "went" in said and "and afterwards" in said
    lines = way.output(session["id"]).splitlines()
    assert all(json.loads(line) for line in lines)
    log = way.machine.journal(f"ARTAC_SESSION={session['id']}")
    events = [entry.get("ARTAC_EVENT") for entry in log]
    assert events.count("persisted") == 2 and events.count("unpersisted") == 1
    way.machine.ns("rm", "-f", str(way.work / "go"))
    way.stop()
    assert way.is_alive(after["claude"]["pid"])
    way.start()
    assert way.status("api")["claude"] == after["claude"]
    moved(way, "api", "off")
    way.stop()
    assert not way.is_alive(after["claude"]["pid"])
    assert way.processes() == []
    way.start()
    assert way.status("api")["end"]["reason"] == "backend-stopped"


def test_a_fork_storm_loses_no_process_in_a_move(running: Way) -> None:
    running.machine.run(
        ["sh", "-c", "cat >storm.py"], user="artac", input=STORM, cwd=str(running.work)
    )
    session = running.run("--allowed-tools", "Bash", "tool: python3 storm.py; echo calm")
    counts = lambda: {  # noqa: E731
        path.name: int(path.read_text() or 0)
        for path in running.machine.path(running.work).glob("count-*")
    }
    until(lambda: len(counts()) == 4 and all(counts().values()), "the storm")
    for wanted in ("on", "off") * 3:
        moved(running, session["id"], wanted)
        inside = members(running, running.status(session["id"])["cgroup"])["claude"]
        assert {int(name[6:]) for name in counts()} <= set(inside)
        before = counts()
        until(lambda b=before: all(n > b[name] for name, n in counts().items()), "all go on")
    running.machine.run(["touch", "halt"], user="artac", cwd=str(running.work))
    running.wait(session["id"], "idle")
    assert "calm" in running.artac("logs", session["id"]).stdout
    running.machine.ns("sh", "-c", f"rm -f {running.work}/halt {running.work}/count-*")
    # What was left outside would live on.
    running.stop()
    assert running.processes() == []


def test_all_are_moved_and_each_is_told(running: Way) -> None:
    ids = [running.run("hello")["id"] for _ in range(3)]
    for session_id in ids:
        running.wait(session_id, "idle")
    told = running.artac("persist", "--all", "on").stdout
    assert told.count("moved into scope") == 3 and all(session_id in told for session_id in ids)
    assert len(running.scopes()) == 3
    running.stop()
    running.start()
    assert {running.status(session_id)["state"] for session_id in ids} == {"idle"}
    assert running.artac("persist", "--all", "off").stdout.count("moved into service") == 3
    assert "hello" in running.ask(ids[0], "recall")


def test_what_cannot_be_moved_is_refused_in_one_line(running: Way) -> None:
    session = running.run("hello")
    running.wait(session["id"], "idle")
    running.artac("kill", session["id"])
    for words, code in (
        ((session["id"], "on"), 3),
        (("nothere", "on"), 4),
        ((session["id"], "maybe"), 2),
        (("on",), 2),
        (("--all", session["id"], "on"), 2),
    ):
        refused = running.artac("persist", *words, check=False)
        assert (refused.returncode, refused.stderr.count("\n")) == (code, 1), refused


def broken(running: Way, ref: str, wanted: str, *says: str) -> None:
    """A move that fails leaves it where it was, whole, running."""
    before = running.status(ref)
    refused = running.artac("persist", ref, wanted, check=False)
    after = running.status(ref)
    assert refused.returncode != 0 and refused.stderr.count("\n") == 1, refused
    assert all(word in refused.stderr for word in says), refused.stderr
    for key in ("placement", "persistent", "cgroup", "keeper", "claude"):
        assert after[key] == before[key]
    assert sorted(members(running, after["cgroup"])) == ["claude", "keeper"]
    assert frozen(running) == []
    assert "hello" in running.ask(ref, "recall")


@contextmanager
def spoilt(way: Way, call: str, action: str) -> Iterator[None]:
    """A busctl that does something else at the calls that match a shell pattern."""
    tool = way.machine.path("/usr/local/sbin") / "busctl"
    script = f'case "$*" in {call}) {action};; esac'
    tool.write_text(f'#!/bin/sh\n{script}\nexec /usr/bin/busctl "$@"\n')
    tool.chmod(0o755)
    try:
        yield
    finally:
        tool.unlink()


@pytest.mark.parametrize("call", ["*StartTransientUnit*", "*.scope*/claude*"])
def test_a_promotion_that_systemd_refuses_leaves_it_where_it_was(running: Way, call: str) -> None:
    session = running.run("hello")
    running.wait(session["id"], "idle")
    with spoilt(running, call, REFUSE):
        broken(running, session["id"], "on", "out of order", "where it was")
    until(lambda: running.scopes() == [], "no scope is left")
    moved(running, session["id"], "on")


@pytest.mark.parametrize("leaf", ["keeper", "claude"])
def test_a_demotion_that_systemd_refuses_leaves_it_where_it_was(running: Way, leaf: str) -> None:
    session = running.run("hello")
    running.wait(session["id"], "idle")
    running.artac("persist", session["id"], "on")
    with spoilt(running, f"*artac.service*/{leaf}*", REFUSE):
        broken(running, session["id"], "off", "out of order", "where it was")
    moved(running, session["id"], "off")


def test_a_user_manager_that_is_away_or_a_record_that_cannot_be_written(running: Way) -> None:
    session = running.run("hello")
    running.wait(session["id"], "idle")
    place = running.state / "sessions" / session["id"]
    # A directory of the record's name: it can be neither written nor replaced.
    spec = running.machine.path(place / "spec")
    kept = spec.read_bytes()
    spec.unlink()
    spec.mkdir()
    broken(running, session["id"], "on", "where it was")
    spec.rmdir()
    spec.write_bytes(kept)
    running.machine.ns("chown", "artac:", str(place / "spec"))
    running.machine.ns("chmod", "600", str(place / "spec"))
    moved(running, session["id"], "on")


@pytest.mark.parametrize(
    ("wanted", "call", "first"),
    [
        ("on", "*StartTransientUnit*", True),
        ("on", "*StartTransientUnit*", False),
        ("on", "*/claude*", False),
        ("off", "*/keeper*", False),
        ("off", "*/claude*", False),
    ],
)
def test_a_backend_killed_in_a_move_leaves_it_where_the_next_one_finds_it(
    running: Way, wanted: str, call: str, first: bool
) -> None:
    session = running.run("hello")
    running.wait(session["id"], "idle")
    if wanted == "off":
        running.artac("persist", session["id"], "on")
    before = running.status(session["id"])
    done = "" if first else '/usr/bin/busctl "$@"; systemctl --user start "artac*.scope"; '
    cursor = running.machine.journal_cursor()
    with spoilt(running, call, f"{done}kill -KILL $PPID; exit 1"):
        running.artac("persist", session["id"], wanted, check=False)
        running.wait_ready(cursor)
    after = running.status(session["id"])
    assert frozen(running) == []
    if after["end"]:
        # systemd ended what was still, or already, in the service that died.
        assert after["end"]["reason"] in ("backend-stopped", "stopped")
        assert not running.is_alive(before["claude"]["pid"])
        until(lambda: running.scopes() == [], "nothing is left of it")
        assert running.processes() == []
    else:
        assert (after["placement"], after["persistent"]) == ("scope", True)
        assert sorted(members(running, after["cgroup"])) == ["claude", "keeper"]
        assert "hello" in running.ask(session["id"], "recall")
        spec = running.machine.path(running.state / "sessions" / session["id"] / "spec")
        assert json.loads(spec.read_text())["placement"] == "scope"
        running.artac("stop", session["id"])
        assert running.processes() == []
    if wanted == "on" and "claude" in call:
        assert not after["end"], "all of it was in the scope"


def test_a_session_that_ends_in_the_middle_of_a_move_is_not_left_over(running: Way) -> None:
    session = running.run("hello")
    running.wait(session["id"], "idle")
    keeper = running.status(session["id"])["keeper"]["pid"]
    with spoilt(running, "*/claude*", f"kill -KILL {keeper}"):
        refused = running.artac("persist", session["id"], "on", check=False)
    assert refused.returncode == 3 and refused.stderr.count("\n") == 1
    assert running.status(session["id"])["end"]["reason"] == "lost"
    until(lambda: running.processes() == [], "nothing is left of it")


def test_moves_and_stops_of_one_session_wait_for_each_other(running: Way) -> None:
    session = running.run("hello")
    running.wait(session["id"], "idle")
    command = ["sh", "-c", 'for n in 1 2 3; do artac persist "$0" on; artac persist "$0" off; done']
    both = [*command, session["id"]]
    with (
        running.machine.background(both, user="artac") as one,
        running.machine.background(both, user="artac") as other,
    ):
        for mover in (one, other):
            _, err = mover.communicate(timeout=150)
            assert mover.returncode == 0 and not err, err
    assert "hello" in running.ask(session["id"], "recall")
    move = ["artac", "persist", session["id"], "on"]
    with running.machine.background(move, user="artac") as mover:
        running.artac("stop", session["id"])
        mover.communicate(timeout=60)
        assert mover.returncode in (0, 3, 6)
    assert running.status(session["id"])["end"]["reason"] == "stopped"
    assert running.processes() == [] and frozen(running) == []
