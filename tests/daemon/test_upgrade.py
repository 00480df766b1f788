"""A newer artac over what an older one has left running, and an older one over a newer one's state.

tests/data/artac-protocol-1.0.tar.xz is artac as it was when its keepers spoke protocol 1.0: the
whole program, so that its keepers, records and output are its own.
"""

from __future__ import annotations

import json
import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.backend import ApiError, Backend
from tests.support.keeper_client import KeeperClient

OLD = Path(__file__).parents[1] / "data/artac-protocol-1.0.tar.xz"


@pytest.fixture
def old(make_backend: MakeBackend, tmp_path: Path) -> Iterator[Backend]:
    """A persisting backend of the older artac; what is started next in its place is this one."""
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    backend = make_backend(PERSIST_CLAUDE_SESSIONS="true", PYTHONPATH=str(tmp_path)).start()
    del backend.settings["PYTHONPATH"]
    yield backend


def test_sessions_of_an_older_artac_go_on(old: Backend) -> None:
    session = old.run("before the upgrade", name="old")
    assert old.turn(session["id"], session["prompt"])["text"] == "echo: before the upgrade"
    before = old.show(session["id"])
    old.restart()
    with KeeperClient(old.state / "sessions" / session["id"]) as keeper:
        assert keeper.hello["protocol"] == [1, 0]
    (backup,) = old.state.glob("records-of-format-0-*.tar.gz")
    assert backup.stat().st_mode & 0o777 == 0o600
    with tarfile.open(backup) as archive:
        assert f"sessions/{session['id']}/spec" in archive.getnames()
    assert str(backup) in old.log()
    after = old.show("old")
    assert (after["keeper"], after["claude"]) == (before["keeper"], before["claude"])
    assert old.ask("old", "after it")["text"] == "echo: after it"
    assert b"before the upgrade" in old.output(session["id"])
    told = old.call("GET", "/v1/sessions/old/why")
    assert told["verdict"] and told["session"]["id"] == session["id"]
    old.call("POST", "/v1/sessions/old/stop")
    end = old.show(session["id"])["end"]
    assert (end["reason"], end["exit_code"], end["tally"]) == ("stopped", 0, None)


def test_what_an_older_keeper_cannot_do_is_refused_and_changes_nothing(old: Backend) -> None:
    session = old.run()["id"]
    old.wait(session, "idle")
    old.restart()
    with pytest.raises(ApiError, match="its keeper refused: unknown runtime") as refused:
        old.call("POST", f"/v1/sessions/{session}/limits", {"limits": {"runtime": "1h"}})
    assert "\n" not in refused.value.message
    assert old.show(session)["limits"] is None
    assert old.ask(session, "still there?")["text"] == "echo: still there?"


def test_a_terminal_of_an_older_keeper_can_be_followed_and_not_looked_at(old: Backend) -> None:
    name = old.run(kind="terminal", size=[80, 24], name="term")["id"]
    old.restart()
    for method, way, body in (("POST", "attach", {}), ("GET", "screen", None)):
        with pytest.raises(ApiError, match=f"older artac, .* artac logs -f {name}") as refused:
            old.call(method, f"/v1/sessions/term/{way}", body)
        assert refused.value.kind == "conflict"


def test_an_end_under_an_older_keeper_while_no_backend_ran_is_told(old: Backend) -> None:
    session = old.run("!exit 3")["id"]
    old.wait(session)
    idle = old.run()["id"]
    old.wait(idle, "idle")
    pid = old.show(idle)["claude"]["pid"]
    old.stop()
    os.kill(pid, signal.SIGKILL)
    old.start()
    assert old.wait(idle)["end"]["reason"] == "killed"
    assert old.show(session)["end"]["exit_code"] == 3
    # Each of them once, though the older artac kept no events.
    lines = (old.state / "events").read_text().splitlines()
    ended = [line for line in map(json.loads, lines) if line["event"] == "ended"]
    assert sorted(line["session"] for line in ended) == sorted([session, idle])


def test_the_state_of_a_later_artac_is_refused_and_not_touched(make_backend: MakeBackend) -> None:
    backend = make_backend().start()
    assert backend.stop() == 0
    form = backend.state / "format"
    assert json.loads(form.read_text()) == {"version": 2}
    form.write_text('{"version": 3}\n')
    backend.start(ready=False)
    assert backend.process is not None and backend.process.wait(20) == 78
    assert "is of a later artac (format 3, this one knows 2)" in backend.log()
    assert json.loads(form.read_text()) == {"version": 3}
