"""The lock of a conversation: one holder, told by name, and nothing left of one that is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from artac_daemon.keeper import conversation
from tests.support import cache

HOLDER: dict[str, object] = {"session": "k3f9q2", "state": "/var/lib/artac", "pid": 41}
HOLD = (
    "import sys, time; from artac_daemon.keeper.conversation import take; "
    "take(sys.argv[1], {'session': 'x2x2x2', 'state': '/s', 'pid': 7}); print(flush=True); "
    "time.sleep(600)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "artac" / "c0ffee.lock"


def take(path: Path) -> conversation.Lock:
    return conversation.take(str(path), HOLDER)


def test_one_holder_who_is_named_and_leaves_no_file(path: Path) -> None:
    held = take(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(conversation.InUse) as refused:
        take(path)
    told = "by session k3f9q2 of the artac in /var/lib/artac (keeper pid 41)"
    assert str(refused.value) == told
    held.release()
    assert not path.exists()
    take(path).release()


def test_a_killed_holders_file_is_taken_over(path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, cwd=cache.PROJECT
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"\n"
    with pytest.raises(conversation.InUse, match="x2x2x2"):
        take(path)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert path.exists()
    held = take(path)
    assert json.loads(path.read_text())["session"] == "k3f9q2"
    held.release()


def test_a_programs_that_is_started_does_not_hold_it(path: Path) -> None:
    held = take(path)
    child = os.posix_spawn("/bin/sleep", ["sleep", "600"], os.environ)
    held.release()
    take(path).release()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_only_one_of_many_gets_it_whoever_lets_go_meanwhile(path: Path) -> None:
    inside, most, taken = [0], [0], [0]
    guard = threading.Lock()

    def compete() -> None:
        for _ in range(200):
            try:
                held = take(path)
            except conversation.InUse:
                continue
            with guard:
                inside[0] += 1
                taken[0] += 1
                most[0] = max(most[0], inside[0])
            with guard:
                inside[0] -= 1
            held.release()

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and taken[0] > 1
    assert list(path.parent.iterdir()) == []


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.write_text("kept")
    path.symlink_to(precious)
    with pytest.raises(OSError):
        take(path)
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(tmp_path)
    with pytest.raises(OSError):
        take(path)
    assert precious.read_text() == "kept"


def test_what_is_no_file_is_refused_and_not_waited_for(path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(OSError, match="regular"):
        take(path)


def test_a_directory_of_a_group_shows_the_group_who_holds_it(path: Path) -> None:
    path.parent.parent.mkdir()
    path.parent.parent.chmod(0o770)
    held = take(path)
    assert path.parent.stat().st_mode & 0o777 == 0o770
    assert path.stat().st_mode & 0o777 == 0o640
    held.release()


def test_a_note_that_is_none_does_not_hide_that_it_is_held(path: Path) -> None:
    held = take(path)
    path.write_text("[1")
    with pytest.raises(conversation.InUse, match="did not note"):
        take(path)
    held.release()
