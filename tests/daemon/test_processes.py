"""`ps` and `reap` without cgroups: by descent and environment, and who is signalled."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.backend import ApiError, Backend, until

SLEEP = shutil.which("sleep") or "/bin/sleep"


def census(backend: Backend, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = backend.call("GET", f"/v1/processes{query}")
    return found


def rows(backend: Backend, ref: str) -> list[dict[str, Any]]:
    (session,) = census(backend, f"?session={ref}")["sessions"]
    found: list[dict[str, Any]] = session["processes"]
    return found


def wait_for(backend: Backend, ref: str, *commands: str) -> list[dict[str, Any]]:
    """The session's processes, once those commands are among them."""

    def look() -> list[dict[str, Any]] | None:
        found = rows(backend, ref)
        return found if {row["command"] for row in found} >= set(commands) else None

    shown: list[dict[str, Any]] = until(look, " and ".join(commands))
    return shown


def pids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["pid"] for row in rows]


def pids_told(table: str) -> set[int]:
    """The pids in the first column: as mere text a small one is in many a UUID."""
    first = (line.split()[0] for line in table.splitlines() if line.strip())
    return {int(word) for word in first if word.isdigit()}


def plan(backend: Backend, **wanted: Any) -> list[dict[str, Any]]:
    answer = backend.call("POST", "/v1/reap", {**wanted, "dry_run": True})
    found: list[dict[str, Any]] = answer["processes"]
    return found


def reap(backend: Backend, shown: list[dict[str, Any]], **wanted: Any) -> dict[int, Any]:
    confirmed = [{key: row[key] for key in ("pid", "start_time")} for row in shown]
    answer = backend.call("POST", "/v1/reap", {**wanted, "confirmed": confirmed})
    return {row["pid"]: row["outcome"] for row in answer["processes"]}


@contextmanager
def process(argv: list[str], name: str = "", **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this account that is no session's; killed at the end."""
    child = subprocess.Popen(
        [name or argv[0], *argv[1:]],
        executable=argv[0],
        env={"PATH": os.environ["PATH"], **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdin is not None
        child.stdin.close()


@pytest.fixture
def claude(tmp_path: Path) -> Callable[..., Any]:
    """Starts a program that is called claude."""
    program = tmp_path / "bin/claude"
    program.parent.mkdir()
    shutil.copy(SLEEP, program)
    return lambda **env: process([str(program), "1471"], **env)


def artac(backend: Backend, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "artac_daemon.cli.main", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**backend.environment(), "ARTAC_SOCKET": str(backend.socket)},
    )


def test_a_sessions_tree_with_the_role_of_each(backend: Backend) -> None:
    session = backend.run("!tool sleep 1472 & sleep 1473")
    shown = wait_for(backend, session["id"], "sleep 1472", "sleep 1473")
    status = backend.show(session["id"])
    assert [(row["pid"], row["role"], row["depth"]) for row in shown[:2]] == [
        (status["keeper"]["pid"], "keeper", 0),
        (status["claude"]["pid"], "claude", 1),
    ]
    assert {row["role"] for row in shown[2:]} == {"tool"}
    assert all(row["depth"] >= 2 for row in shown[2:])
    assert all(row["rss_bytes"] > 0 and row["start_time"] > 0 for row in shown)
    assert [row["pss_bytes"] for row in shown] == [None] * len(shown)
    (measured,) = census(backend, f"?session={session['id']}&pss=1")["sessions"]
    assert 0 < measured["pss_bytes"] <= measured["memory_bytes"]


def test_an_orphan_reparented_to_the_keeper_is_still_its_sessions(backend: Backend) -> None:
    session = backend.run("!doublefork sleep 1474")
    backend.turn(session["id"], session["prompt"])

    def left() -> list[dict[str, Any]]:
        return [row for row in rows(backend, session["id"]) if row["command"] == "sleep 1474"]

    (row,) = until(left, "the sleep, once its shell has become it")
    assert row["role"] == "tool"
    assert census(backend)["orphans"] == []


def test_claude_is_told_by_its_program_and_nothing_else_is_listed(
    backend: Backend, claude: Callable[..., Any], tmp_path: Path
) -> None:
    notes = tmp_path / "claude"
    notes.mkdir()
    editor = [sys.executable, "-c", "input()", "claude.md", "claude", str(notes), "claude-code"]
    with claude() as foreign, process(editor) as other, process([SLEEP, "1475"], "claude") as named:
        shown = {row["pid"]: row for row in census(backend)["foreign"]}
        assert {foreign.pid, named.pid} <= shown.keys() and other.pid not in shown
        assert shown[foreign.pid]["own"] and shown[foreign.pid]["role"] == "headless"
        assert foreign.pid not in pids(census(backend, "?foreign=0")["foreign"])
        with pytest.raises(ApiError, match="does not run Claude Code") as refused:
            plan(backend, foreign=[other.pid])
        assert refused.value.kind == "denied"


def test_nothing_foreign_is_ended_unless_its_pid_is_named(
    backend: Backend, claude: Callable[..., Any]
) -> None:
    session = backend.run()
    backend.wait(session["id"], "idle")
    with claude() as spared, claude() as named:
        everything = plan(backend, all=True)
        assert not {spared.pid, named.pid} & set(pids(everything))
        outcomes = reap(backend, everything, all=True)
        assert set(outcomes.values()) == {"ended"}
        assert backend.show(session["id"])["end"]["reason"] == "killed"
        shown = plan(backend, foreign=[named.pid])
        assert pids(shown) == [named.pid] and str(named.pid) in shown[0]["why"]
        assert reap(backend, shown, foreign=[named.pid]) == {named.pid: "ended"}
        assert named.wait(10) == -signal.SIGTERM
        assert spared.poll() is None


def test_a_foreign_process_goes_with_what_is_below_it(backend: Backend, tmp_path: Path) -> None:
    shell = shutil.which("sh") or "/bin/sh"
    with process([shell, "-c", "trap '' TERM; sleep 1476 & wait"], "claude") as foreign:

        def with_child() -> list[dict[str, Any]] | None:
            found = plan(backend, foreign=[foreign.pid])
            return found if [row["command"] for row in found[1:]] == ["sleep 1476"] else None

        shown = until(with_child, "its child")
        outcomes = reap(backend, shown, foreign=[foreign.pid])
        assert set(outcomes.values()) == {"ended"}
        assert foreign.wait(10) == -signal.SIGKILL


def test_a_pid_that_changed_hands_is_not_signalled(
    backend: Backend, claude: Callable[..., Any]
) -> None:
    with claude() as child:
        (shown,) = plan(backend, foreign=[child.pid])
        # What the pid's next owner looks like: the same number, another start time.
        earlier = {**shown, "start_time": shown["start_time"] - 1}
        assert reap(backend, [earlier], foreign=[child.pid]) == {child.pid: "gone"}
        assert child.poll() is None
    assert reap(backend, [shown], foreign=[child.pid]) == {child.pid: "gone"}


def test_what_was_not_shown_is_not_ended(backend: Backend, claude: Callable[..., Any]) -> None:
    session = backend.run("!doublefork sleep 1477")
    backend.turn(session["id"], session["prompt"])
    with claude() as one, claude() as other:
        (shown,) = plan(backend, foreign=[one.pid])
        assert reap(backend, [shown], foreign=[one.pid, other.pid]) == {one.pid: "ended"}
        assert other.poll() is None
        (row,) = plan(backend, foreign=[other.pid])
        assert reap(backend, [row], orphans=True) == {other.pid: "refused"}
        assert other.poll() is None
    tools = [row for row in plan(backend, session=session["id"]) if "1477" in row["command"]]
    assert reap(backend, tools, session=session["id"]) == {tools[0]["pid"]: "refused"}
    assert backend.show(session["id"])["state"] != "ended"


def test_what_a_killed_keeper_left_is_an_orphan_and_can_be_reaped(backend: Backend) -> None:
    session = backend.run("!doublefork sleep 1478")
    backend.turn(session["id"], session["prompt"])
    status = backend.show(session["id"])
    os.kill(status["claude"]["pid"], signal.SIGSTOP)
    os.kill(status["keeper"]["pid"], signal.SIGKILL)
    assert backend.wait(session["id"])["end"]["reason"] == "lost"
    shown = until(
        lambda: len(found := plan(backend, orphans=True)) == 2 and found, "claude and the sleep"
    )
    assert {row["session"] for row in shown} == {session["id"]}
    assert "which has ended" in shown[0]["why"]
    assert census(backend)["sessions"] == []
    assert pids(census(backend, f"?session={session['id']}")["orphans"]) == pids(shown)
    assert set(reap(backend, shown, orphans=True).values()) == {"ended"}
    assert plan(backend, orphans=True) == []


def test_what_left_the_tree_of_a_session_goes_with_it_only(
    backend: Backend, tmp_path: Path
) -> None:
    session = backend.run()
    backend.wait(session["id"], "idle")
    # A program's name is what the kernel has in /proc/PID/stat between parentheses.
    hostile = str(shutil.copy(SLEEP, tmp_path / "a) Z 1 (\n\x1b[2J"))
    with process([hostile, "1479"], ARTAC_SESSION=session["id"]) as escaped:
        (row,) = [row for row in rows(backend, session["id"]) if row["pid"] == escaped.pid]
        assert row["role"] == "escaped" and session["id"] in row["why"]
        assert row["command"] == f"{hostile} 1479"
        told = artac(backend, "ps", session["id"]).stdout
        assert "\\x1b[2J" in told and "\x1b" not in told and "1479" in told
        assert plan(backend, orphans=True) == []
        shown = plan(backend, session=session["id"])
        assert escaped.pid in pids(shown)
        assert set(reap(backend, shown, session=session["id"]).values()) == {"ended"}
        assert escaped.wait(10) == -signal.SIGTERM
    with process([SLEEP, "1480"], ARTAC_SESSION="zzzzzz") as other:
        assert other.pid not in pids(census(backend)["orphans"])


def test_the_daemon_and_its_sessions_are_not_below_anything_foreign(
    make_backend: Callable[..., Backend], claude: Callable[..., Any]
) -> None:
    backend = make_backend().start()
    session = backend.run()
    backend.wait(session["id"], "idle")
    assert backend.process is not None
    keeper = backend.show(session["id"])["keeper"]["pid"]
    for pid, kind in (
        (backend.process.pid, "conflict"),
        (keeper, "conflict"),
        (2**22, "not-found"),
    ):
        with pytest.raises(ApiError) as refused:
            plan(backend, foreign=[pid])
        assert refused.value.kind == kind, refused.value


def test_the_commands(backend: Backend, claude: Callable[..., Any]) -> None:
    session = backend.run("!tool sleep 1481", name="api")
    backend.wait("api", "working")
    wait_for(backend, "api", "sleep 1481")
    with claude() as foreign:
        done = artac(backend, "ps")
        assert done.returncode == 0, done.stderr
        assert f"session {session['id']} (api): working, detached" in done.stdout
        assert "sleep 1481" in done.stdout and foreign.pid in pids_told(done.stdout)
        alone = pids_told(artac(backend, "ps", "--no-foreign").stdout)
        assert backend.show("api")["claude"]["pid"] in alone and foreign.pid not in alone
        found = json.loads(artac(backend, "ps", "--json", "api").stdout)
        assert found["foreign"] == [] and found["sessions"][0]["pss_bytes"] > 0
        assert artac(backend, "ps", "nobody").returncode == 4

        shown = artac(backend, "reap", "api", "--dry-run")
        assert "as a whole" in shown.stdout and "sleep 1481" in shown.stdout
        refused = artac(backend, "reap", "api")
        assert refused.returncode == 2 and "--yes" in refused.stderr
        assert backend.show("api")["state"] == "working"
        done = artac(backend, "reap", "--all", "--yes")
        assert done.returncode == 0 and "ended " in done.stdout, done.stderr
        assert backend.show(session["id"])["end"]["reason"] == "killed"
        assert foreign.poll() is None
        done = artac(backend, "reap", "--foreign", str(foreign.pid), "--yes", "--json")
        assert [row["outcome"] for row in json.loads(done.stdout)] == ["ended"]
    done = artac(backend, "reap", "--orphans", "--yes")
    assert (done.returncode, done.stdout) == (0, "") and "nothing to reap" in done.stderr


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("y", 0)])
def test_on_a_terminal_it_asks(
    backend: Backend, claude: Callable[..., Any], answer: str, code: int
) -> None:
    with claude() as foreign:
        control, terminal = pty.openpty()
        command = ["reap", "--foreign", str(foreign.pid)]
        with os.fdopen(control, "w") as keys, os.fdopen(terminal) as keyboard:
            keys.write(f"{answer}\n")
            keys.flush()
            done = subprocess.run(
                [sys.executable, "-m", "artac_daemon.cli.main", *command],
                stdin=keyboard,
                capture_output=True,
                text=True,
                env={**backend.environment(), "ARTAC_SOCKET": str(backend.socket)},
            )
        assert f"{foreign.pid}  " in done.stdout and "[y/N]" in done.stderr
        assert done.returncode == code
        if code:
            assert "nothing was ended" in done.stderr and foreign.poll() is None
        else:
            assert foreign.wait(10) == -signal.SIGTERM
