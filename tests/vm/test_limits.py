"""Limits that a kernel keeps: what is in force, what happens at them, and to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.vm import Vm
from tests.support.way import API_UNIT, Way, start_api
from tests.vm.conftest import STANDIN

# A tool that takes 40 MB more until somebody stops it.
HOG = 'python3 -c \\"x=[]\nwhile True: x.append(bytearray(40_000_000))\\"'
# Forks for as long as it may, and does not go away by itself.
BOMB = "sh -c 'while :; do sleep 1000 & done'"


@pytest.fixture(params=["false", "true"], ids=["service", "scope"])
def artac(request: pytest.FixtureRequest, system: Way) -> Iterator[Way]:
    """Running, with the stand-in, in either placement."""
    system.configure(CLAUDE_CODE_PATH=STANDIN, PERSIST_CLAUDE_SESSIONS=request.param)
    system.start()
    yield system


def held(vm: Vm, cgroup: str, file: str) -> str:
    return vm.read_bytes(f"{cgroup}/{file}").decode().strip()


def limited(way: Way, *limits: str) -> tuple[str, str]:
    """A session with those limits: its id and its cgroup."""
    session = way.run(*(word for limit in limits for word in ("--limit", limit)))["id"]
    way.wait(session, "idle")
    return session, way.status(session)["cgroup"]


def why(way: Way, session: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(way.artac("why", "--json", session).stdout)
    return found


def test_by_default_everything_is_bounded(vm: Vm, artac: Way) -> None:
    session, cgroup = limited(artac)
    memory = int(vm.ns("getconf", "_PHYS_PAGES").stdout) * 4096
    assert abs(int(held(vm, cgroup, "memory.max")) - memory // 2) < 8192
    assert held(vm, cgroup, "memory.swap.max") == str(512 << 20)
    assert held(vm, cgroup, "pids.max") == "2048"
    together = cgroup.rpartition("/")[0]
    assert abs(int(held(vm, together, "memory.max")) - memory * 8 // 10) < 8192
    assert held(vm, together, "pids.max") == "8192"
    assert held(vm, together, "cpu.weight") == "50"
    daemon = "/sys/fs/cgroup/system.slice/artac.service/daemon"
    assert held(vm, daemon, "cpu.weight") == "1000", "the backend answers when CPUs are short"
    sample = json.loads(artac.artac("top", "-n", "1", "--json").stdout.splitlines()[-1])
    (used,) = (row for row in sample["sessions"] if row["id"] == session)
    assert used["memory_max_bytes"] == int(held(vm, cgroup, "memory.max"))
    assert used["counted_by_process"] == [] and used["tasks"] >= 2
    assert used["pressure"]["memory_some"] is not None
    doctor = artac.artac("doctor", check=False).stdout
    assert any(line.split()[:2] == ["ok", "controllers"] for line in doctor.splitlines()), doctor


def test_a_limit_is_changed_live_and_kept_over_restart_and_move(vm: Vm, artac: Way) -> None:
    session, cgroup = limited(artac, "memory=300M", "cpu=50%")
    assert held(vm, cgroup, "memory.max") == str(300 << 20)
    assert held(vm, cgroup, "cpu.max") == "50000 100000"
    said = artac.artac("limit", session, "memory=25%", "tasks=100", "cpu_weight=idle").stdout
    assert "memory_max       25%        asked for" in said and "no effect" not in said
    assert held(vm, cgroup, "pids.max") == "100"
    assert held(vm, cgroup, "cpu.idle") == "1"
    quarter = held(vm, cgroup, "memory.max")
    persisted = artac.status(session)["persistent"]
    if persisted:
        artac.systemctl("restart", artac.unit)
        assert artac.status(session)["limits"]["values"]["memory_max"] == "25%"
        assert held(vm, cgroup, "memory.max") == quarter
    artac.artac("limit", session, "cpu_weight=20", "memory=200M")
    artac.artac("persist", session, "off" if persisted else "on")
    moved = artac.status(session)["cgroup"]
    assert moved != cgroup
    assert held(vm, moved, "memory.max") == str(200 << 20)
    assert held(vm, moved, "cpu.weight") == "20"
    assert held(vm, moved, "pids.max") == "100"
    together = moved.rpartition("/")[0]
    assert held(vm, together, "pids.max") == "8192", "all together are bounded there as well"
    assert artac.ask(session, "still there?") == "echo: still there?"


def test_the_kernel_takes_the_tool_and_the_session_goes_on(vm: Vm, artac: Way) -> None:
    session, _ = limited(artac, "memory=150M", "swap=0")
    assert "137" in artac.ask(session, f'!tool sh -c "{HOG}"; echo status $?')
    assert artac.ask(session, "still there?") == "echo: still there?"
    artac.artac("stop", session)
    end = artac.status(session)["end"]
    assert (end["reason"], end["oom_kills"]) == ("stopped", 1)
    assert end["tally"]["memory_peak_bytes"] <= 150 << 20
    assert "for want of memory" in end["sentence"]


def test_a_claude_that_takes_all_the_memory_itself_is_an_oom(vm: Vm, artac: Way) -> None:
    session, _ = limited(artac, "memory=150M", "swap=0")
    other, _ = limited(artac)
    artac.artac("send", session, "!eat 400")
    artac.wait(session, "ended")
    told = why(artac, session)
    assert told["verdict"]["reason"] == "oom", told
    assert artac.ask(other, "and you?") == "echo: and you?"


def test_memory_in_use_is_not_taken_away_without_a_word(vm: Vm, artac: Way) -> None:
    session, cgroup = limited(artac, "swap=0")
    holder = "python3 -c 'import time; x = bytearray(100_000_000); time.sleep(1000)'"
    artac.ask(session, f"!doublefork {holder}")
    enough = 'until [ "$(cat "$0"/memory.current)" -gt 100000000 ]; do sleep 0.2; done'
    vm.ns("sh", "-c", enough, cgroup, timeout=150)
    before = held(vm, cgroup, "memory.max")
    refused = artac.artac("limit", session, "memory=60M", "tasks=99", check=False)
    assert refused.returncode == 6 and "--force" in refused.stderr
    assert (held(vm, cgroup, "memory.max"), held(vm, cgroup, "pids.max")) == (before, "2048")
    artac.artac("limit", session, "memory=60M", "--force")
    assert int(held(vm, cgroup, "memory.max")) == 60 << 20
    assert held(vm, cgroup, "memory.high") == "max"
    # The kernel would go on killing until it has counted what the first has given back.
    assert artac.ask(session, "and you?") == "echo: and you?"
    artac.ask(session, "!eat 15")
    refused = artac.artac("limit", session, "memory=16M", "--force", check=False)
    assert refused.returncode == 6 and "Claude and its keeper alone have" in refused.stderr
    artac.artac("stop", session)
    end = artac.status(session)["end"]
    assert (end["reason"], end["oom_kills"]) == ("stopped", 0), end
    assert [line for line in artac.processes() if "time.sleep(1000)" in line] == []


def test_a_fork_bomb_stays_in_its_session_and_leaves_nothing(vm: Vm, artac: Way) -> None:
    session, cgroup = limited(artac, "tasks=64")
    other, _ = limited(artac)
    artac.artac("send", session, f"!doublefork {BOMB}")
    refused = 'until grep -q "max [1-9]" "$0"/pids.events; do sleep 0.2; done'
    vm.ns("sh", "-c", refused, cgroup, timeout=150)
    assert int(held(vm, cgroup, "pids.current")) <= 64
    assert artac.ask(other, "can you work?") == "echo: can you work?"
    artac.artac("kill", session)
    end = artac.status(session)["end"]
    assert end["reason"] == "killed" and end["tally"]["tasks_refused"] > 0
    assert [line for line in artac.processes() if "sleep 1000" in line] == []


def test_all_sessions_together_are_bounded(vm: Vm, artac: Way) -> None:
    drop_in = "/etc/artac/artac.yaml.d/50-total.yaml"
    vm.ns("sh", "-c", 'echo "total_memory_max: 150M\ntotal_memory_swap_max: 0" >"$0"', drop_in)
    try:
        artac.systemctl("reload", artac.unit)
        first, _ = limited(artac)
        second, _ = limited(artac)
        artac.ask(first, "!eat 60")
        artac.artac("send", second, "!eat 200")
        artac.wait(second, "ended")
        assert artac.status(second)["end"]["reason"] == "oom"
        assert artac.ask(first, "still there?") == "echo: still there?"
    finally:
        vm.ns("rm", drop_in)


@pytest.mark.timeout(900)
def test_the_real_claude_survives_its_build(vm: Vm, system: Way, real_claude: str) -> None:
    start_api(vm)
    try:
        system.configure(CLAUDE_CODE_PATH=real_claude)
        system.start()
        tools = ("--permission-mode", "acceptEdits", "--allowed-tools", "Bash")
        session = system.run(*tools, "--limit", "memory=700M", "--limit", "swap=0")["id"]
        hog = f"{system.work}/hog.py"
        loop = "x=[]\nwhile True: x.append(bytearray(40_000_000))\n"
        vm.run(["sh", "-c", 'cat >"$0"', hog], user="artac", input=loop)
        said = system.artac(
            "send", session, f"tool: python3 {hog}; echo status $?", "--wait", timeout=300
        )
        assert "status 137" in said.stdout
        assert system.artac("send", session, "still there?", "--wait", timeout=300).stdout.strip()
        system.artac("stop", session)
        assert system.status(session)["end"]["oom_kills"] >= 1
    finally:
        vm.systemctl("stop", API_UNIT)
