"""What `artac top` tells of the real Claude Code in a cgroup of its own."""

from __future__ import annotations

import json

import pytest

from tests.support.way import Way


@pytest.mark.parametrize("persist", ["false", "true"])
def test_a_session_in_its_cgroup_is_counted_there(system: Way, persist: str) -> None:
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS=persist)
    system.start()
    session = system.run("hello")
    system.wait(session["id"], "idle")
    lines = system.artac("top", "--json", "-n", "2", "-d", "0.2").stdout.splitlines()
    first, second = (json.loads(line)["sessions"][0] for line in lines)
    assert first["placement"] == ("scope" if persist == "true" else "service")
    # The machine's cgroups have no controllers; CPU time and pressure need none.
    assert first["counted_by_process"] == ["memory", "tasks"]
    assert first["memory_bytes"] > 50 << 20 and first["tasks"] > 2
    assert 0 < first["cpu_seconds"] <= second["cpu_seconds"]
    assert first["pressure"]["cpu_some"] is not None
    assert "idle" in system.artac("top", "-n", "1").stdout
