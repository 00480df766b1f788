"""What a limit is written as, for the kernel and for systemd, from what a person writes."""

from __future__ import annotations

import pytest

from artac_daemon.cli.limiting import assignments
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.limits import (
    LIMITS,
    Capacity,
    Granted,
    Limits,
    cgroup_files,
    for_all,
    for_each,
    missing,
    read,
    unit_properties,
)
from artac_daemon.model.settings import Settings

GIB = 1 << 30
CAPACITY = Capacity(memory=8 * GIB, tasks=30_000)


@pytest.mark.parametrize(
    ("written", "file", "content", "unit_property"),
    [
        ("memory=3G", "memory.max", str(3 * GIB), f"MemoryMax={3 * GIB}"),
        ("MemoryMax=25%", "memory.max", str(2 * GIB), f"MemoryMax={2 * GIB}"),
        ("memory-high=infinity", "memory.high", "max", "MemoryHigh=infinity"),
        ("swap=0", "memory.swap.max", "0", "MemorySwapMax=0"),
        ("tasks=500", "pids.max", "500", "TasksMax=500"),
        ("TASKS_MAX=10%", "pids.max", "3000", "TasksMax=3000"),
        ("cpu=150%", "cpu.max", "150000 100000", "CPUQuota=150%"),
        ("cpu=infinity", "cpu.max", "max 100000", "CPUQuota="),
        ("CPUWeight=20", "cpu.weight", "20", "CPUWeight=20"),
        ("cpu_weight=idle", "cpu.idle", "1", "CPUWeight=idle"),
    ],
)
def test_one_limit_means_the_same_to_kernel_and_systemd(
    written: str, file: str, content: str, unit_property: str
) -> None:
    limits = Limits(**read(assignments("run", [written])))
    assert cgroup_files(limits, CAPACITY)[file] == content
    assert unit_property in unit_properties(limits, CAPACITY)


def test_an_idle_cgroup_is_given_no_weight() -> None:
    """The kernel refuses a weight for a cgroup that is idle."""
    assert "cpu.weight" not in cgroup_files(Limits(cpu_weight=0), CAPACITY)
    assert list(cgroup_files(Limits(), CAPACITY)).index("cpu.idle") < list(
        cgroup_files(Limits(), CAPACITY)
    ).index("cpu.weight")


def test_by_default_no_session_may_have_all_of_the_machine() -> None:
    each, together = for_each(Settings()), for_all(Settings())
    for limits in (each, together):
        assert int(cgroup_files(limits, CAPACITY)["memory.max"]) < CAPACITY.memory
        assert int(cgroup_files(limits, CAPACITY)["memory.swap.max"]) < CAPACITY.memory
        assert int(cgroup_files(limits, CAPACITY)["pids.max"]) < CAPACITY.tasks
    assert (each.runtime_max, each.idle_timeout) == (None, None)


def test_what_is_recorded_is_read_back() -> None:
    granted = Granted(for_each(Settings())).with_changes(read({"idle": "2h", "cpu": "12.5%"}))
    assert Granted.from_json(granted.to_json()) == granted
    assert granted.asked == {"idle_timeout", "cpu_quota"}


def test_a_record_with_limits_of_a_later_artac_is_read() -> None:
    raw = Granted(Limits()).to_json()
    raw["limits"]["io_weight"] = "50"
    raw["asked"] = ["io_weight"]
    assert Granted.from_json(raw) == Granted(Limits())


def test_only_what_needs_a_controller_can_be_without_effect() -> None:
    assert missing(frozenset(LIMITS), frozenset({"memory", "pids", "cpu"})) == {}
    without = missing(frozenset(LIMITS), frozenset({"memory"}))
    assert without == {"tasks_max": "pids", "cpu_weight": "cpu", "cpu_quota": "cpu"}
    assert missing(frozenset({"runtime_max", "idle_timeout"}), frozenset()) == {}


@pytest.mark.parametrize("word", ["memory", "=3G", "memory=", ""])
def test_what_is_no_assignment_is_refused(word: str) -> None:
    with pytest.raises(ArtacError) as refused:
        assignments("limit", [word])
    assert refused.value.kind is ErrorKind.USAGE
    assert "NAME=VALUE" in refused.value.message
