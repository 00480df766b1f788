"""`ps` and `reap` with real cgroups and the real Claude Code: whose a process is, and what goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.machine.ways import make_way
from tests.support.backend import until
from tests.support.machine import Machine
from tests.support.way import CLAUDE_ENVIRONMENT, Way

_MCP_SERVER = """\
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    result = {}
    if asked["method"] == "initialize":
        version = asked["params"]["protocolVersion"]
        about = {"name": "weather", "version": "1"}
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
    elif asked["method"] == "tools/list":
        result = {"tools": []}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""

# The parenthesis leaves a process that has no parent in the tree; Claude Code refuses a bare sleep.
_TOOL = 'tool: sh -c "(setsid sleep 4331 &) ; sleep 4332 | sleep 4333"'


def census(way: Way, *argv: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(way.artac("ps", "--json", *argv).stdout)
    return found


def by_command(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["command"]: row for row in rows}


def reap(way: Way, *argv: str) -> dict[str, str]:
    done = json.loads(way.artac("reap", "--yes", "--json", *argv).stdout)
    return {row["command"]: row["outcome"] for row in done}


@contextmanager
def claude_of(machine: Machine, user: str) -> Iterator[int]:
    """A Claude Code that this account has started by hand, in the middle of a turn."""
    command = ["env", *(f"{name}={value}" for name, value in CLAUDE_ENVIRONMENT.items())]
    prompt = f"slow: 300 of {user}"
    with machine.background([*command, "claude", "-p", prompt], user=user):
        find = ["pgrep", "-o", "-u", user, "-f", f"^claude -p {prompt}"]
        yield int(until(lambda: machine.ns(*find, check=False).stdout.strip(), "its claude"))


def place(machine: Machine, pid: int, cgroup: str) -> None:
    """Put a process into a cgroup, which is made."""
    directory = f"/sys/fs/cgroup{cgroup}"
    script = 'mkdir -p "$0" && chown -R artac "$0" && echo "$1" >"$0/cgroup.procs"'
    machine.run(["sh", "-c", script, directory, str(pid)])


@pytest.fixture(params=["service", "scope"])
def artac(request: pytest.FixtureRequest, system: Way) -> Way:
    """The machine's own artac, with its sessions in either place."""
    if request.param == "scope":
        system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS=str(request.param == "scope").lower())
    system.start()
    return system


def test_the_tree_of_a_running_tool_and_an_mcp_server(artac: Way) -> None:
    server = artac.work / "weather.py"
    artac.machine.run(["sh", "-c", 'cat >"$0"', str(server)], user="artac", input=_MCP_SERVER)
    servers = {"mcpServers": {"weather": {"command": "python3", "args": [str(server)]}}}
    options = ("--name", "api", "--allowed-tools", "Bash", _TOOL)
    artac.run(*options, "--", "--mcp-config", json.dumps(servers))

    def tree() -> dict[str, dict[str, Any]]:
        (session,) = census(artac, "api")["sessions"]
        return by_command(session["processes"])

    def complete() -> dict[str, dict[str, Any]] | None:
        wanted = {f"sleep {number}" for number in (4331, 4332, 4333)} | {f"python3 {server}"}
        return found if wanted <= (found := tree()).keys() else None

    shown = until(complete, "tool and server", 50)
    status = artac.status("api")
    roles = {row["pid"]: row["role"] for row in shown.values()}
    assert roles.pop(status["keeper"]["pid"]) == "keeper"
    assert roles.pop(status["claude"]["pid"]) == "claude"
    assert roles.pop(shown[f"python3 {server}"]["pid"]) == "mcp"
    assert set(roles.values()) == {"tool"}
    assert shown["sleep 4331"]["parent"] not in roles, "it has left the tree, and not the cgroup"
    assert shown["sleep 4332"]["depth"] > 2
    assert all(row["pss_bytes"] > 0 for row in shown.values())
    told = artac.artac("ps", "api").stdout
    assert "sleep 4331" in told and "mcp" in told
    assert census(artac)["orphans"] == [] == census(artac)["foreign"]

    outcomes = reap(artac, "api")
    assert set(outcomes.values()) == {"ended"} and "sleep 4331" in outcomes
    assert artac.status("api")["end"]["reason"] == "killed"
    assert artac.processes() == []


def test_what_left_the_cgroup_of_its_session_is_found(artac: Way) -> None:
    artac.machine.linger("artac")
    runtime = f"XDG_RUNTIME_DIR=/run/user/{artac.machine.uid('artac')}"
    scope = f"env {runtime} systemd-run --user --scope --quiet"
    leave = f"tool: {scope} sh -c '(setsid sleep 4334 &)' ; echo done"
    artac.run("--name", "api", "--allowed-tools", "Bash", leave)
    artac.wait("api", "idle")

    def left() -> Any:
        (session,) = census(artac, "api")["sessions"]
        return by_command(session["processes"]).get("sleep 4334")

    escaped = until(left, "what has left")
    assert escaped["role"] == "escaped"
    artac.artac("kill", "api")
    assert artac.is_alive(escaped["pid"]), "killing the cgroup does not reach it"
    (orphan,) = census(artac)["orphans"]
    assert orphan["pid"] == escaped["pid"] and "ARTAC_SESSION" in orphan["why"]
    assert reap(artac, "--orphans") == {"sleep 4334": "ended"}
    assert census(artac)["orphans"] == []


def test_a_leftover_in_the_cgroup_of_an_ended_session(system: Way) -> None:
    system.configure()
    system.start()
    session = system.run("hello")
    system.wait(session["id"], "idle")
    cgroup = f"/system.slice/artac.service/sessions/session-{session['id']}"
    system.artac("kill", session["id"])
    stubborn = ["sh", "-c", "trap '' TERM; while :; do sleep 4335; done"]
    with system.machine.background(stubborn, user="artac"):
        find = ["pgrep", "-o", "-u", "artac", "-f", "^/usr/bin/sh -c trap"]  # not what it forks
        pid = int(until(lambda: system.machine.ns(*find, check=False).stdout, "the leftover"))
        place(system.machine, pid, cgroup)
        shown = census(system, session["id"])
        assert shown["sessions"] == [] and [row["pid"] for row in shown["orphans"]] == [pid]
        system.artac("reap", "--orphans", "--dry-run")
        assert system.is_alive(pid)
        assert list(reap(system, "--orphans").values()) == ["ended"]
        assert not system.is_alive(pid)
    until(lambda: not system.machine.path(Path("/sys/fs/cgroup" + cgroup)).exists(), "its cgroup")


def test_a_scope_of_ours_that_no_session_has(artac: Way) -> None:
    machine = artac.machine
    machine.linger("artac")
    artac.run("--name", "api", "hello")
    artac.wait("api", "idle")
    scope = ["systemd-run", "--user", "--scope", "--quiet", "--slice=artac.slice"]
    ours = [*scope, "--unit=artac-session-bbbbbb", "--description=artac session bbbbbb of " +
            str(artac.state), "sleep", "4336"]  # fmt: skip
    other = [*scope, "--unit=artac-session-cccccc", "--description=artac session cccccc of /x"]
    with (
        machine.background(ours, user="artac"),
        machine.background([*other, "sleep", "4337"], user="artac"),
    ):
        until(lambda: len(artac.scopes()) >= 2, "both scopes")

        def found() -> Any:
            """The orphan, once it is no longer systemd-run that is to become it."""
            orphans = census(artac)["orphans"]
            return [row["command"] for row in orphans] == ["/usr/bin/sleep 4336"] and orphans

        (orphan,) = until(found, "the orphan")
        assert "does not know" in orphan["why"]
        assert reap(artac, "--orphans") == {"/usr/bin/sleep 4336": "ended"}
        assert "artac-session-cccccc.scope" in artac.scopes()
        assert artac.status("api")["state"] == "idle"


@pytest.mark.parametrize("kind", ["system", "user"])
def test_claude_of_others_is_shown_and_left_alone(users: Machine, kind: str) -> None:
    way = make_way(users, kind)
    try:
        way.configure()
        way.start()
        way.run("--name", "api", "hello")
        way.wait("api", "idle")
        editor = ["python3", "-c", "input()", "/home/bob/claude.md", "claude"]
        with (
            claude_of(users, way.account) as own,
            claude_of(users, "bob") as others,
            users.background(editor, user=way.account),
        ):
            foreign = {row["pid"]: row for row in census(way)["foreign"]}
            assert {pid: row["account"] for pid, row in foreign.items()} == {
                own: way.account, others: "bob",
            }  # fmt: skip
            assert {row["role"] for row in foreign.values()} == {"headless"}
            assert "headless (bob)" in way.artac("ps").stdout
            refused = way.artac("reap", "--foreign", str(others), "--yes", check=False)
            assert refused.returncode == 5 and "bob" in refused.stderr
            assert refused.stderr.count("\n") == 1
            assert set(reap(way, "--all").values()) == {"ended"}
            assert way.status("api")["end"]["reason"] == "killed"
            assert way.is_alive(own) and way.is_alive(others)
            assert list(reap(way, "--foreign", str(own)).values()) == ["ended"]
            assert not way.is_alive(own) and way.is_alive(others)
    finally:
        way.clean_up()


def test_claude_codes_own_background_sessions_are_marked(users: Machine) -> None:
    way = make_way(users, "user")
    home = Path(users.home("alice"))
    state = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": ["sk-ant-none-of-anybody"[-20:]]},
        "projects": {str(home): {"hasTrustDialogAccepted": True}},
    }
    script = 'mkdir -p .claude; cat >.claude.json; echo "$0" >.claude/settings.json'
    settings = json.dumps({"env": CLAUDE_ENVIRONMENT})
    users.run(["sh", "-c", script, settings], user="alice", input=json.dumps(state))
    environment = [f"{name}={value}" for name, value in CLAUDE_ENVIRONMENT.items()]
    background = "claude --bg 'slow: 300 x y' </dev/null && exec sleep 600"
    way.configure()
    way.start()
    try:
        with users.background(["env", *environment, "sh", "-c", background], user="alice"):
            # The supervisor, and for each session what holds its terminal, and itself.
            # At first there is the one that has asked for it, too.
            def settled() -> Any:
                rows = census(way)["foreign"]
                return len(rows) >= 3 and "daemon run" in rows[0]["command"] and rows

            foreign = until(settled, "its processes")
            assert {row["role"] for row in foreign} == {"background"}
            assert foreign[0]["depth"] == 0
    finally:
        way.clean_up()
