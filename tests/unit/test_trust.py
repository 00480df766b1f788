"""Trust recorded in Claude's own file, beside a Claude that writes to it too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.claude import trust
from artac_daemon.model.errors import ArtacError

WORK = "/srv/work"
MARK = {"hasTrustDialogAccepted": True}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".claude.json"


def refusal(file: Path, patience: float = 0) -> str:
    with pytest.raises(ArtacError) as refused:
        trust.mark(str(file), WORK, patience)
    assert "\n" not in refused.value.message
    return refused.value.message


def test_only_the_mark_is_added_and_all_else_stays_as_it_was(file: Path) -> None:
    content = {
        "b": 1, "a": [1.5, 1e21, 12345678901234567890, None, "é\u2028\ud800"],
        "projects": {"/x": {"a": ["A"]}, WORK: {"z": 1, "hasTrustDialogAccepted": False}},
        "oauthAccount": {"n": True},
    }  # fmt: skip
    file.write_text(json.dumps(content))
    file.chmod(0o640)
    assert trust.mark(str(file), WORK)
    content["projects"][WORK]["hasTrustDialogAccepted"] = True  # type: ignore[index]
    assert json.loads(file.read_text()) == content
    assert list(json.loads(file.read_text())) == list(content)
    assert file.stat().st_mode & 0o777 == 0o640
    assert os.listdir(file.parent) == [file.name], "neither lock nor half a file is left"
    before = written(file)
    assert not trust.mark(str(file), WORK)
    assert written(file) == before, "what is there is not written again"


def test_a_home_without_the_file_gets_one_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "config" / ".claude.json"
    assert trust.mark(str(file), WORK)
    assert json.loads(file.read_text()) == {"projects": {WORK: MARK}}
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def written(file: Path) -> tuple[int, int, int]:
    """Another after every write to it. To read it changes its time of access."""
    found = file.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def test_a_link_is_written_through(tmp_path: Path, file: Path) -> None:
    real = tmp_path / "dotfiles" / "claude"
    real.parent.mkdir()
    real.write_text("{}")
    file.symlink_to(real)
    trust.mark(str(file), WORK)
    assert file.is_symlink() and json.loads(real.read_text()) == {"projects": {WORK: MARK}}
    assert os.listdir(real.parent) == [real.name]


@pytest.mark.parametrize(
    "content",
    [b'{"a": tr', b"[]", b"null", b"\xff\xfe", b'{"projects": []}', b'{"a": NaN}', b'{"a": 1e999}',
     b'{"projects": {"/srv/work": null}}', b"[" * 100_000],
)  # fmt: skip
def test_a_file_in_no_known_form_is_left_as_it_is(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    before = written(file)
    message = refusal(file)
    assert str(file) in message and "Claude will ask" in message
    assert file.read_bytes() == content and written(file) == before
    assert os.listdir(file.parent) == [file.name]


def test_a_file_that_is_none_is_refused_at_once(file: Path) -> None:
    os.mkfifo(file)
    assert "not a regular file" in refusal(file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_and_a_home_of_another_account_are_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    file = theirs / ".claude.json"
    assert "uid 65534" in refusal(file)
    assert not list(theirs.iterdir())
    assert "uid 65534" in refusal(theirs / "config" / ".claude.json")
    assert not list(theirs.iterdir())
    file.write_text("{}")
    os.chown(theirs, 0, 0)
    os.chown(file, 65534, 65534)
    assert "uid 65534" in refusal(file)
    assert file.read_text() == "{}"


def test_what_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refusal(tmp_path / "file" / ".claude.json")


def test_a_lock_that_is_held_is_respected(file: Path) -> None:
    file.write_text("{}")
    lock = Path(f"{file}.lock")
    lock.mkdir()
    assert str(lock) in refusal(file)
    assert file.read_text() == "{}" and lock.is_dir()


def test_the_lock_of_a_dead_claude_is_taken_over(file: Path) -> None:
    lock = Path(f"{file}.lock")
    lock.mkdir()
    long_ago = time.time() - 11
    os.utime(lock, (long_ago, long_ago))
    assert trust.mark(str(file), WORK)
    assert not lock.exists()


def test_a_lock_that_another_has_taken_over_stops_the_write(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("{}")
    lock = Path(f"{file}.lock")
    write = trust._write

    def late(*arguments: Any) -> bool:
        lock.rename(f"{lock}.gone")
        lock.mkdir()
        return write(*arguments)

    monkeypatch.setattr(trust, "_write", late)
    assert "taken away" in refusal(file)
    assert file.read_text() == "{}" and lock.is_dir(), "nothing written, and their lock is theirs"
    Path(f"{lock}.gone").rmdir()
    assert sorted(os.listdir(file.parent)) == [file.name, lock.name]


def test_a_change_without_the_lock_is_not_lost(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("{}")
    changes = ['{"theirs": 1}', '{"theirs": 2}']
    write = trust._write

    def late(*arguments: Any) -> bool:
        if changes:
            file.write_text(changes.pop(0))
        return write(*arguments)

    monkeypatch.setattr(trust, "_write", late)
    assert trust.mark(str(file), WORK)
    assert json.loads(file.read_text()) == {"theirs": 2, "projects": {WORK: MARK}}
    assert os.listdir(file.parent) == [file.name]


_WRITER = """
import sys
from artac_daemon.claude import trust
for number in range(40):
    trust.mark(sys.argv[1], f"/srv/{sys.argv[2]}/{number}", 60)
"""


def test_writers_at_once_lose_nothing(file: Path) -> None:
    file.write_text('{"kept": 1}')
    names = ("a", "b", "c")
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(file), n]) for n in names]
    try:
        assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    content = json.loads(file.read_text())
    assert content["kept"] == 1
    assert content["projects"] == {f"/srv/{n}/{i}": MARK for n in names for i in range(40)}
    assert os.listdir(file.parent) == [file.name]
