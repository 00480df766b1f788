"""What a session's cgroup has counted, out of the kernel's files."""

from __future__ import annotations

from pathlib import Path

from artac_daemon.keeper.counters import Counters, read
from artac_daemon.model.tally import Tally

FILES = {
    "memory.events": "low 0\nhigh 7\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n",
    "memory.peak": "104857600\n",
    "pids.events": "max 4\n",
    "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n",
    "memory.pressure": (
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=250000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=100000\n"
    ),
}


def lay(directory: Path, **changed: str) -> str:
    for name, content in {**FILES, **changed}.items():
        (directory / name).write_text(content)
    return str(directory)


def test_all_that_is_counted_is_read(tmp_path: Path) -> None:
    assert Tally.from_json(read(lay(tmp_path))) == Tally(
        memory_high=7,
        memory_max=3,
        memory_oom=2,
        memory_oom_kill=1,
        memory_peak_bytes=100 << 20,
        tasks_refused=4,
        cpu_seconds=1.5,
        memory_stall_seconds=0.25,
    )


def test_where_there_is_no_controller_nothing_is_made_up(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text(FILES["cpu.stat"])
    (tmp_path / "memory.pressure").write_text("not what the kernel writes")
    assert Tally.from_json(read(str(tmp_path))) == Tally(cpu_seconds=1.5)
    assert read(str(tmp_path / "gone")) == {}


def test_what_came_before_the_session_is_not_its_own(tmp_path: Path) -> None:
    counters = Counters(lay(tmp_path))
    changed = {
        "memory.events": "low 0\nhigh 7\nmax 3\noom 3\noom_kill 3\n",
        "cpu.stat": "usage_usec 4000000\n",
    }
    lay(tmp_path, **changed)
    since = counters.since()
    assert (since["memory_oom_kill"], since["memory_oom"], since["memory_high"]) == (2, 1, 0)
    assert (since["cpu_seconds"], since["tasks_refused"]) == (2.5, 0)
    assert since["memory_peak_bytes"] == 100 << 20
