"""Process care: complete for sessions that end with the service, none for those that live on."""

from __future__ import annotations

import pytest

from tests.support.backend import until
from tests.support.way import Way

# Forked twice, in sessions of their own, deaf to SIGTERM and SIGHUP, one of them stopped.
_TREE = (
    'tool: sh -c "(setsid nohup sh -c \'trap \\"\\" TERM HUP; sleep 4391\' >/dev/null 2>&1 &);'
    " (setsid sh -c 'kill -STOP \\$\\$; sleep 4392' >/dev/null 2>&1 &); echo started\""
)


def crowded(way: Way) -> tuple[str, str]:
    """A session with such a tree, part of it frozen: its id and its cgroup."""
    session = way.run("--allowed-tools", "Bash", _TREE)["id"]
    way.wait(session, "idle")
    cgroup = way.status(session)["cgroup"]
    # Keeper, Claude, the two shells and the sleep of one of them.
    until(lambda: any("sleep 4391" in row.split("sh -c")[0] for row in way.processes()), "its tree")
    freeze = (
        'mkdir "$0"/claude/ice && echo 1 >"$0"/claude/ice/cgroup.freeze &&'
        ' pgrep -f "sleep 4391$" |'
        ' while read -r pid; do echo $pid >"$0"/claude/ice/cgroup.procs; done'
    )
    way.machine.run(["sh", "-c", freeze, cgroup], user=way.account)
    until(lambda: len(way.processes()) >= 5, "its whole tree")
    return session, cgroup


@pytest.mark.parametrize("victim", ["claude", "keeper"])
def test_nothing_of_a_session_outlives_it(system: Way, victim: str) -> None:
    system.configure()
    system.start()
    session, cgroup = crowded(system)
    shown = system.status(session)
    assert shown["monitored"] is True
    system.machine.ns("kill", "-KILL", str(shown[victim]["pid"]))
    system.artac("wait", session, "--for", "ended", "--timeout", "20s")
    expected = {"claude": "killed", "keeper": "lost"}[victim]
    assert system.status(session)["end"]["reason"] == expected
    gone = 'while [ -e "$0" ]; do :; done'
    system.machine.ns("timeout", "20", "sh", "-c", gone, cgroup)
    until(lambda: system.processes() == [], "nothing of it")


def test_a_persistent_session_is_not_watched_and_what_is_asked_by_name_works(system: Way) -> None:
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    session, _ = crowded(system)
    assert system.status(session)["monitored"] is False
    before = system.processes()
    system.systemctl("restart", system.unit)
    assert system.processes() == before, "neither a stop nor a start has touched it"
    system.artac("persist", session, "off")
    assert system.status(session)["monitored"] is True
    system.artac("persist", session, "on")
    assert system.status(session)["monitored"] is False
    system.artac("kill", session)
    assert system.processes() == []
