"""artac-claude with the real Claude Code, where systemd runs and sessions have cgroups."""

from __future__ import annotations

from tests.support.backend import until
from tests.support.way import Way

PROGRAM = "/opt/artac-tests/tests/support/dropin_program.py"
# A tool that leaves something behind, as only a cgroup finds it.
TOOL = "tool: setsid sh -c 'touch {0}; exec sleep 5151' & until test -e {0}; do :; done; sleep 0.1"


def _program(way: Way, *words: str, **env: str) -> str:
    variables = [f"{name}={value}" for name, value in env.items()]
    command = ["env", *variables, "/usr/bin/python3", PROGRAM, *words]
    done = way.machine.run(command, user=way.account, cwd=str(way.work), check=False)
    return str(done.stdout)


def _sleepers(way: Way) -> bool:
    return bool(way.machine.ns("pgrep", "-f", "sleep 5151", check=False).returncode == 0)


def test_a_killed_program_takes_the_whole_tree_along(system: Way) -> None:
    system.configure()
    system.start()
    _program(system, "die", TOOL.format("gone-1"), "tool said", ARTAC_SESSION_NAME="prog")
    system.wait("prog", "ended")
    end = system.status("prog")["end"]
    assert end["reason"] == "stopped" and "the program that it belonged to" in end["sentence"]
    assert "left behind" in end["sentence"]
    until(lambda: not _sleepers(system), "nothing of its tree")


def test_a_persistent_one_goes_on_and_the_next_program_has_it(system: Way) -> None:
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    _program(system, "die", "slow: 3 the answer", '"init"', ARTAC_SESSION_NAME="prog")
    system.crash()
    system.wait("prog", "idle")
    assert system.status("prog")["placement"] == "scope"
    said = _program(system, "listen", '"type":"result"', ARTAC_SESSION="prog")
    assert "the answer" in said and '"init"' not in said
    system.wait("prog", "ended")
    assert system.status("prog")["end"]["reason"] == "completed"
