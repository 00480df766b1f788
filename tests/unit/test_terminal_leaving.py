"""What an attach says when it is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from artac_daemon.cli.terminal.leaving import GONE, Outcome, tell
from tests.unit.test_cli_client import Server, answer


def test_an_end_that_was_not_heard_is_asked_of_the_daemon_it_was_attached_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARTAC_SOCKET", str(tmp_path / "another"))
    end = {"version": 1, "at": 1.0, "exit_code": 3, "signal": None}
    daemon = Server(tmp_path / "socket", [[answer({"session": {"end": end}})]])
    try:
        code = tell(Outcome(GONE), "k3f9q2", "api", 0, paths=[str(tmp_path / "socket")])
    finally:
        daemon.close()
    assert code == 3
    assert "session k3f9q2 (api) ended: exit code 3" in capfd.readouterr().err
