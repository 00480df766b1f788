"""artac exec with the real Claude Code: a tool, what that left, and nothing of it afterwards."""

from __future__ import annotations

import json

import pytest

from tests.support.way import Way


@pytest.mark.parametrize("persist", ["false", "true"])
def test_a_one_shot_uses_a_tool_replies_and_leaves_no_process(system: Way, persist: str) -> None:
    if persist == "true":
        system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS=persist)
    system.start()
    holder = "nohup sh -c 'sleep 1251' >/dev/null 2>&1 & echo left"
    done = system.artac("exec", "--name", "job", "--allowed-tools", "Bash", f"tool: {holder}")
    assert done.returncode == 0
    assert done.stdout.startswith("tool said: ") and "left" in done.stdout
    assert [line for line in system.processes() if "sleep 1251" in line] == []
    status = system.status("job")
    assert (status["end"]["reason"], status["end"]["exit_code"]) == ("completed", 0)
    assert status["placement"] == ("scope" if persist == "true" else "service")
    assert status["end"]["left_behind"] >= 1


def test_a_one_shot_is_denied_what_nobody_permits_and_kept_to_its_time(system: Way) -> None:
    system.configure()
    system.start()
    mark = system.work / "one-shot-was-here"
    done = system.artac("exec", "--json", f"tool: touch {mark}")
    turn = json.loads(done.stdout)["turn"]
    assert (turn["outcome"], turn["denied"]) == ("success", ["Bash"])
    assert "not permitted, and denied: Bash" in done.stderr
    assert system.machine.run(["test", "-e", str(mark)], check=False).returncode == 1
    words = ("exec", "--timeout", "4s", "--allowed-tools", "Bash", "tool: sh -c 'sleep 1252'")
    late = system.artac(*words, check=False)
    assert (late.returncode, late.stdout) == (8, "") and "no result within 4s" in late.stderr
    assert [line for line in system.processes() if "sleep 1252" in line] == []
