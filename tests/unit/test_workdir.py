"""Where a session may work; each refusal names its rule."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from artac_daemon.host.workdir import check
from artac_daemon.model.errors import ArtacError, ErrorKind
from tests.support import capability

NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A private directory, of which pytest's own path may hold links."""
    return tmp_path.resolve()


def refusal(cwd: Path | str, *roots: Path | str) -> tuple[ErrorKind, str]:
    with pytest.raises(ArtacError) as refused:
        check(str(cwd), [str(root) for root in roots])
    assert refused.value.message.isprintable(), refused.value.message
    return refused.value.kind, refused.value.message


def as_nobody(work: Callable[[], None]) -> bool:
    """Whether that went through in a process that is not root."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_any_private_directory_will_do(place: Path) -> None:
    assert check(str(place), []) == str(place)
    assert check(f"{place}/../{place.name}/.", []) == str(place)


@pytest.mark.parametrize("cwd", ["", ".", "work", "~/work", "../work", " /srv"])
def test_a_relative_path_is_refused(cwd: str) -> None:
    kind, message = refusal(cwd)
    assert kind is ErrorKind.USAGE and "absolute" in message


def test_what_is_not_there_is_refused(place: Path) -> None:
    (place / "dangling").symlink_to(place / "missing")
    (place / "circle").symlink_to(place / "circle")
    for name in ("missing", "missing/deeper", "dangling", "circle", "x" * 300):
        kind, message = refusal(place / name)
        assert kind is ErrorKind.USAGE and name in message


def test_what_is_no_directory_is_refused(place: Path) -> None:
    (place / "file").write_text("")
    (place / "link").symlink_to(place / "file")
    for name in ("file", "link"):
        kind, message = refusal(place / name)
        assert kind is ErrorKind.USAGE and "not a directory" in message
    kind, _ = refusal(place / "file" / "deeper")
    assert kind is ErrorKind.USAGE


def test_a_nul_is_refused(place: Path) -> None:
    kind, message = refusal(f"{place}\0/etc")
    assert kind is ErrorKind.USAGE and "NUL" in message


def test_a_name_with_a_line_break_or_an_escape_makes_no_second_line(place: Path) -> None:
    for name in ("no\n<2>such", "no\x1b[31msuch"):
        refusal(place / name)


# allowed_roots


def test_only_what_is_below_a_root_is_allowed(place: Path) -> None:
    for name in ("src/api", "srcs", "other"):
        (place / name).mkdir(parents=True)
    roots = [str(place / "src"), str(place / "more")]
    for allowed in ("src", "src/api", "src/api/.."):
        assert check(str(place / allowed), roots) == os.path.realpath(place / allowed)
    for other in ("srcs", "other", "src/../other", "."):
        kind, message = refusal(place / other, *roots)
        assert kind is ErrorKind.DENIED and "allowed_roots" in message
        assert str(place / "src") in message
    assert check(str(place), ["/"]) == str(place)


def test_a_link_out_of_the_roots_is_refused_and_shown_for_what_it_is(place: Path) -> None:
    for name in ("src/api", "secret"):
        (place / name).mkdir(parents=True)
    (place / "src/way-out").symlink_to(place / "secret")
    kind, message = refusal(place / "src/way-out", place / "src")
    assert kind is ErrorKind.DENIED and "allowed_roots" in message
    assert str(place / "secret") in message


def test_a_link_into_the_roots_and_a_root_that_is_a_link_will_do(place: Path) -> None:
    (place / "src/api").mkdir(parents=True)
    (place / "short").symlink_to(place / "src/api")
    (place / "root").symlink_to(place / "src")
    real = str(place / "src/api")
    assert check(str(place / "short"), [str(place / "src")]) == real
    assert check(real, [str(place / "root")]) == real
    assert check(str(place / "root/api"), [str(place / "root")]) == real


# Who else can write or read there


def test_a_directory_that_everybody_can_write_is_refused(place: Path) -> None:
    work = place / "work"
    work.mkdir()
    work.chmod(0o777)
    kind, message = refusal(work)
    assert kind is ErrorKind.DENIED and "0777" in message and "chmod o-w" in message
    (place / "link").symlink_to(work)
    assert refusal(place / "link")[0] is ErrorKind.DENIED


@pytest.mark.parametrize("mode", [0o1777, 0o775, 0o700])
def test_one_with_the_sticky_bit_or_for_a_group_is_allowed(place: Path, mode: int) -> None:
    work = place / "work"
    work.mkdir()
    work.chmod(mode)
    assert check(str(work), []) == str(work)


@pytest.mark.parametrize("mode", [0o000, 0o400, 0o300])
def test_a_directory_that_the_account_cannot_use_is_refused(place: Path, mode: int) -> None:
    work = place / "work"
    work.mkdir()

    def refused() -> None:
        kind, message = refusal(work)
        assert kind is ErrorKind.DENIED and "accessible" in message and str(os.geteuid()) in message

    if os.geteuid() != 0:
        work.chmod(mode)
        refused()
        return
    capability.require(None if _everybody_may_come_in(place) else f"{place} is closed to others")
    os.chown(work, NOBODY, NOBODY)
    work.chmod(mode)
    assert as_nobody(refused)


def _everybody_may_come_in(place: Path) -> bool:
    for directory in (place, *place.parents):
        if directory.stat().st_uid == os.geteuid() and not directory.stat().st_mode & 0o001:
            if "pytest" not in directory.name and directory != place:
                return False
            directory.chmod(directory.stat().st_mode | 0o001)
    return True
