"""Whose each process is, whatever the processes are called and however their parents changed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artac_daemon.model import census, reaping
from artac_daemon.model.census import Census, Foreign, Grounds, Known, Role
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.process import Process
from artac_daemon.model.reaping import Wanted, Way

SERVICE = "/system.slice/artac.service/sessions"
SCOPE = "/user.slice/user-9.slice/user@9.service/artac.slice/artac-session-{}.scope"
BACKEND = 7

LIVE = Known("bbbbbb", "api", True, (20, 5), (21, 6), f"{SERVICE}/session-bbbbbb")
SCOPED = Known("cccccc", "cccccc", True, (30, 5), (31, 6), SCOPE.format("cccccc"))
DETACHED = Known("dddddd", "far", True, (40, 5), (41, 6), detached=True)
ENDED = Known("ffffff", "old", False, (50, 5), (51, 6))
KNOWN = [LIVE, SCOPED, DETACHED, ENDED]
GROUNDS = Grounds(BACKEND, SERVICE, {SCOPE.format("ffffff"): "ffffff"})


def process(
    pid: int, parent: int = 1, start: int = 9, cgroup: str = "/", mark: str = ""
) -> Process:
    words = ("word\x1b]0;x\x07",)
    return Process(pid, parent, pid, 9, start, False, "n)\n(", words, "", cgroup, mark, 1, 0.0)


def take(
    *processes: Process,
    claudes: dict[int, Foreign] | None = None,
    servers: tuple[int, ...] = (),
    known: list[Known] = KNOWN,
) -> Census:
    return census.take(processes, known, GROUNDS, claudes or {}, servers)


def shown(found: Census, session: str) -> list[tuple[int, str, int]]:
    return [(row.process.pid, row.role, row.depth) for row in found.sessions[session]]


def test_a_session_is_its_cgroup_whoever_the_parents_are() -> None:
    home = f"{SERVICE}/session-bbbbbb"
    found = take(
        process(20, BACKEND, 5, f"{home}/keeper"),
        process(21, 20, 6, f"{home}/claude"),
        process(22, 21, 8, f"{home}/claude"),
        process(23, 21, 7, f"{home}/claude"),
        process(24, 23, 9, f"{home}/claude"),
        process(25, 1, 9, f"{home}/claude/deep/artac-session-cccccc.scope"),
        servers=(23,),
    )
    assert shown(found, "bbbbbb") == [
        (20, "keeper", 0), (21, "claude", 1), (23, "mcp", 2), (24, "mcp", 3), (22, "tool", 2),
        (25, "tool", 0),
    ]  # fmt: skip
    assert not found.orphans and not found.foreign and found.sessions["cccccc"] == []


def test_a_pid_that_is_used_again_is_neither_keeper_nor_claude() -> None:
    home = f"{SERVICE}/session-bbbbbb"
    found = take(process(20, 1, 99, home), process(21, 20, 99, home))
    assert [role for _, role, _ in shown(found, "bbbbbb")] == ["tool", "tool"]


def test_the_same_scope_name_in_another_manager_is_not_ours() -> None:
    elsewhere = SCOPE.format("cccccc").replace("9", "8")
    found = take(
        process(60, cgroup=elsewhere), process(61, cgroup=elsewhere), claudes={61: Foreign.HEADLESS}
    )
    assert found.sessions["cccccc"] == [] and not found.orphans
    assert [(row.process.pid, row.role) for row in found.foreign] == [(61, "artac")]


@pytest.mark.parametrize(
    ("cgroup", "orphan"),
    [
        (f"{SERVICE}/session-ffffff", True),
        (f"{SERVICE}/session-zzzzzz/claude", True),
        (SCOPE.format("ffffff"), True),
        (SCOPE.format("zzzzzz"), False),  # systemd did not say that it is ours
        ("/system.slice/artac@eve.service/sessions/session-ffffff", False),
        ("/user.slice/user-9.slice/session-3.scope", False),
        (f"{SERVICE}/session-toolong", False),
    ],
)
def test_orphans_are_those_in_cgroups_of_ours_whose_session_is_no_more(
    cgroup: str, orphan: bool
) -> None:
    found = take(process(70, cgroup=cgroup))
    assert bool(found.orphans) is orphan
    assert all(not rows for rows in found.sessions.values())


def test_a_keeper_that_is_about_to_leave_is_no_orphan() -> None:
    leaving = Known("ffffff", "old", False, (50, 5), None, leaving=True)
    keeper = process(50, 1, 5, f"{SERVICE}/session-ffffff/keeper")
    assert not take(keeper, known=[leaving]).orphans
    assert take(keeper._replace(start_time=6), known=[leaving]).orphans
    assert take(keeper, known=[ENDED]).orphans


def test_a_backend_that_was_restarted_from_within_a_session_is_none_of_it() -> None:
    found = take(process(40, 1, 5), process(41, 40, 6), process(BACKEND, 41, 9))
    assert shown(found, "dddddd") == [(40, "keeper", 0), (41, "claude", 1)]


def test_a_start_under_way_is_no_orphan() -> None:
    starting = Known("gggggg", "new", True)
    for cgroup in (f"{SERVICE}/session-gggggg", SCOPE.format("gggggg")):
        found = take(process(80, cgroup=cgroup), known=[starting])
        assert shown(found, "gggggg") == [(80, "tool", 0)]


def test_a_detached_session_is_what_descends_from_its_keeper() -> None:
    tree = (process(40, 1, 5), process(41, 40, 6), process(42, 41, 8, mark="dddddd"))
    assert [row[:2] for row in shown(take(*tree), "dddddd")] == [
        (40, "keeper"), (41, "claude"), (42, "tool"),
    ]  # fmt: skip
    without = take(process(40, 1, 99), *tree[1:])
    assert shown(without, "dddddd") == [(42, "escaped", 0)]


def test_what_a_session_has_marked_is_found_outside_its_cgroup() -> None:
    found = take(
        process(90, mark="bbbbbb"), process(91, mark="ffffff"), process(92, mark="zzzzzz"),
        process(93, cgroup=SCOPE.format("cccccc"), mark="bbbbbb"),
    )  # fmt: skip
    assert shown(found, "bbbbbb") == [(90, "escaped", 0)]
    assert [(row.process.pid, row.session) for row in found.orphans] == [(91, "ffffff")]
    assert shown(found, "cccccc") == [(93, "tool", 0)]


def test_a_background_session_is_told_by_what_serves_it() -> None:
    found = take(
        process(10, 1, 1), process(11, 10, 2), process(12, 11, 3), process(13, 12, 4),
        claudes={
            10: Foreign.BACKGROUND, 11: Foreign.BACKGROUND, 12: Foreign.INTERACTIVE,
        },
    )  # fmt: skip
    assert [(row.process.pid, row.role, row.depth) for row in found.foreign] == [
        (10, "background", 0), (11, "background", 1), (12, "background", 2),
    ]  # fmt: skip


def test_nothing_of_ours_is_below_a_foreign_process() -> None:
    found = take(
        process(10, 1, 1), process(11, 10, 2), process(BACKEND, 11, 3),
        process(40, BACKEND, 5), process(41, 40, 6),
        claudes={10: Foreign.INTERACTIVE, 41: Foreign.HEADLESS},
    )  # fmt: skip
    targets = reaping.plan(found, Wanted(foreign=(10,)), KNOWN)
    assert [target.process.pid for target in targets] == [10, 11]
    for pid, kind in ((41, ErrorKind.CONFLICT), (BACKEND, ErrorKind.CONFLICT)):
        with pytest.raises(ArtacError) as refused:
            reaping.plan(found, Wanted(foreign=(pid,)), KNOWN)
        assert refused.value.kind is kind


CGROUPS = [
    "/", "/user.slice", f"{SERVICE}/session-bbbbbb/claude", f"{SERVICE}/session-ffffff",
    f"{SERVICE}/session-zzzzzz", SCOPE.format("cccccc"), SCOPE.format("ffffff"),
    SCOPE.format("zzzzzz"), "/system.slice/artac@x.service/sessions/session-bbbbbb",
]  # fmt: skip

MACHINES = st.lists(
    st.builds(
        process,
        st.integers(1, 60),
        st.integers(0, 60),
        st.integers(1, 9),
        st.sampled_from(CGROUPS),
        st.sampled_from(["", "bbbbbb", "dddddd", "ffffff", "zzzzzz", "\x1b[2J"]),
    ),
    max_size=40,
    unique_by=lambda one: one.pid,
)


@settings(max_examples=400)
@given(MACHINES, st.sets(st.integers(1, 60)))
def test_each_process_is_in_one_place_at_most_and_all_means_nothing_foreign(
    machine: list[Process], claudes: set[int]
) -> None:
    known = {one.pid for one in machine} & claudes
    found = take(*machine, claudes=dict.fromkeys(known, Foreign.INTERACTIVE))
    of_sessions = [row for rows in found.sessions.values() for row in rows]
    placed = [row.process.pid for row in (*of_sessions, *found.orphans, *found.foreign)]
    assert len(placed) == len(set(placed)), "each once"
    foreign = {row.process.pid for row in found.foreign}
    assert foreign == known - found.ours, "every Claude of others is shown"
    planned = reaping.plan(found, Wanted(everything=True), KNOWN)
    assert {target.process.pid for target in planned} == set(placed) - foreign
    assert BACKEND not in placed and BACKEND not in {one.process.pid for one in planned}
    for target in planned:
        if target.way is Way.SESSION:
            session = next(one for one in KNOWN if one.id == target.session)
            assert session.live
            assert session.detached or target.process.cgroup.startswith(session.cgroup)
    for pid in foreign:
        below = reaping.plan(found, Wanted(foreign=(pid,)), KNOWN)
        assert not {one.process.pid for one in below} & found.ours
    orphans = reaping.plan(found, Wanted(orphans=True), KNOWN)
    assert all(target.session not in found.sessions for target in orphans)
    assert {row.role for row in found.orphans} <= {Role.ORPHAN.value}


@given(MACHINES)
def test_parents_come_before_their_children(machine: list[Process]) -> None:
    found = take(*machine)
    for rows in (*found.sessions.values(), found.orphans):
        depths = [row.depth for row in rows]
        assert not depths or depths[0] == 0
        assert all(deeper <= depth + 1 for depth, deeper in pairwise(depths))
