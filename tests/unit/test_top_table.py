"""The rows, columns and percentages of `artac top`."""

from __future__ import annotations

from typing import Any

import pytest

from artac_daemon.cli.rendering import width
from artac_daemon.cli.top_table import SORTS, header, layout, ordered, with_percents

NOTHING = {"memory_some": None, "memory_full": None, "cpu_some": None, "io_some": None}


def row(name: str, **content: Any) -> dict[str, Any]:
    return {
        "id": f"i{name[:5]}", "name": name, "state": "idle", "kind": "headless",
        "placement": "service", "created_at": 1000.0, "state_since": 1000.0,
        "memory_bytes": 213 << 20, "memory_max_bytes": None, "swap_bytes": 0, "tasks": 12,
        "cpu_seconds": 1.0, "cpu_percent": 3.25, "pressure": NOTHING, **content,
    }  # fmt: skip


def sample(at: float, *rows: dict[str, Any], cpu: float = 0.0) -> dict[str, Any]:
    return {
        "at": at,
        "sessions": list(rows),
        "machine": {
            "cpus": 2, "cpu_seconds": cpu, "memory_total_bytes": 24 << 30,
            "memory_available_bytes": 20 << 30, "pressure": {**NOTHING, "memory_some": 1.5},
        },
    }  # fmt: skip


def line(plan: Any, shown: dict[str, Any]) -> str:
    return "".join(plan.line(shown, 1090.0))


def test_percentages_come_from_two_samples() -> None:
    first = sample(100.0, row("a", cpu_seconds=5.0), row("b", cpu_seconds=9.0), cpu=50.0)
    second = sample(102.0, row("a", cpu_seconds=8.0), row("b", cpu_seconds=1.0), row("c"), cpu=53.0)
    assert with_percents(first, None)["sessions"][0]["cpu_percent"] is None
    found = with_percents(second, first)
    # b's processes were exchanged for others; c has only just come.
    assert [found["cpu_percent"] for found in found["sessions"]] == [150.0, 0.0, None]
    assert found["machine"]["cpu_percent"] == 75.0
    assert with_percents(second, second)["machine"]["cpu_percent"] is None


@pytest.mark.parametrize("columns", [None, *range(1, 160)])
def test_every_line_fits(columns: int | None) -> None:
    waits = {**NOTHING, "memory_some": 100.0, "cpu_some": 0.0}
    rows = [
        row("short"),
        row("日本語の長い名前" * 5, state="needs-permission", memory_bytes=None),
        row("e\u0301" * 60, cpu_percent=6400.0, tasks=99999, pressure=waits),
        row("evil\x1b[2J\n", cpu_percent=None, created_at=-1e8),
    ]
    plan = layout(rows, columns)
    lines = [plan.head(), *(line(plan, shown) for shown in rows)]
    assert len({width(text) for text in lines}) == 1, "the columns are not aligned"
    assert all(text.isprintable() or "\u0301" in text for text in lines)
    if columns is not None:
        assert width(lines[0]) <= columns
        heads = header(with_percents(sample(1.0, *rows), None), columns)
        assert all(width(text) <= columns for text in heads)


def test_eighty_columns_have_what_matters() -> None:
    head = layout([row("a" * 30)], 80).head().split()
    assert head == "ID NAME STATE MEM CPU% TASKS PMEM PCPU PIO AGE".split()
    assert layout([row("a")], 40).head().split() == "NAME STATE MEM CPU%".split()
    assert layout([row("a")], None).head().split()[-1] == "PLACEMENT"
    shown = line(layout([row("api")], 80), row("api")).split()
    assert shown == ["iapi", "api", "idle", "213M", "3.2", "12", "-", "-", "-", "1m"]


def test_every_key_sorts_and_what_is_not_known_comes_last() -> None:
    waits = {"memory_some": 5.0, "memory_full": 1.0, "cpu_some": 0.0, "io_some": 0.0}
    little, much = (
        row("a", state="idle", created_at=2000.0, memory_bytes=1, cpu_percent=1.0, tasks=1,
            pressure={**waits, "memory_some": 0.0}),
        row("b", state="working", created_at=1000.0, memory_bytes=2, cpu_percent=2.0, tasks=2,
            pressure=waits),
    )  # fmt: skip
    unknown = row("0", memory_bytes=None, cpu_percent=None, tasks=0, state="idle", created_at=3e3)
    for key in SORTS:
        rows = [shown["name"] for shown in ordered([unknown, little, much], key, False)]
        turned = [shown["name"] for shown in ordered([unknown, little, much], key, True)]
        if key == "name":
            assert rows == ["0", "a", "b"] and turned == ["b", "a", "0"]
        elif key in ("memory", "cpu", "pressure"):
            assert (rows, turned) == (["b", "a", "0"], ["a", "b", "0"]), key
        elif key == "state":
            assert rows == ["b", "0", "a"], key
        else:
            assert rows == ["b", "a", "0"] and turned == ["0", "a", "b"], key
    keys = [key for key, _, _ in SORTS.values()]
    assert sorted(keys) == sorted("mctpans")


def test_the_header_counts_what_asks_for_somebody_first() -> None:
    rows = [row("a"), row("b", state="needs-permission"), row("c", state="working"), row("d")]
    lines = header(with_percents(sample(1.0, *rows), None), 80)
    assert lines[0] == "sessions  4: 1 needs-permission, 1 working, 2 idle"
    assert "CPU -% of 2, memory 4.0G used, 20G of 24G available" in lines[1]
    assert "memory 1.5 (all -)" in lines[2]
