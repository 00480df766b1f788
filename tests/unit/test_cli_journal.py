"""The journal as `artac why` shows it: what is asked for, and what cannot be had."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from artac_daemon.cli import journal
from artac_daemon.host.unit_state import UnitState, read

OWN = pwd.getpwuid(os.getuid())


@pytest.fixture
def journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands where journalctl is looked for."""
    path = tmp_path / "journalctl"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def write(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_only_the_accounts_own_entries_are_asked_for(journalctl: Path) -> None:
    write(journalctl, 'printf "%s\\n" "$@"')
    asked = journal.entries(OWN.pw_name, "k3f9q2", 7)
    assert asked[:3] == ["--no-pager", "--output=short-iso", "--lines=7"]
    uid = f"_UID={OWN.pw_uid}"
    scope = "USER_UNIT=artac-session-k3f9q2.scope"
    assert asked[3:] == ["ARTAC_SESSION=k3f9q2", uid, "+", scope, uid]
    assert journal.entries("65533", "k3f9q2", 7)[4] == "_UID=65533"


@pytest.mark.parametrize(
    "hint",
    [
        "Hint: You are currently not seeing messages from other users and the system.",
        "No journal files were opened due to insufficient permissions.",
    ],
)
def test_what_one_may_not_read_is_said_in_one_line(journalctl: Path, hint: str) -> None:
    write(journalctl, f'echo "-- No entries --"; echo "{hint}" >&2; exit 1')
    (line,) = journal.entries(OWN.pw_name, "k3f9q2", 7)
    assert "systemd-journal or adm" in line


def test_entries_drive_no_terminal(journalctl: Path) -> None:
    write(journalctl, 'printf "one \\033[31mred\\n"')
    assert journal.entries(OWN.pw_name, "k3f9q2", 7) == ["one \\x1b[31mred"]


def test_a_journal_that_cannot_be_asked_is_no_error(
    journalctl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journalctl, 'echo "Failed to open files" >&2; exit 1')
    assert journal.entries(OWN.pw_name, "k3f9q2", 7) == ["(Failed to open files)"]
    write(journalctl, "exec sleep 60")
    monkeypatch.setattr(journal, "_LIMIT", 0.1)
    assert "did not come to an end within 0.1 s" in journal.entries(OWN.pw_name, "k3f9q2", 7)[0]
    journalctl.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert journal.entries(OWN.pw_name, "k3f9q2", 7) == ["(there is no journalctl here)"]


def test_a_unit_is_read_from_what_systemctl_shows() -> None:
    shown = "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=oom-kill\nNRestarts=2\n"
    assert read("a.service", shown) == UnitState(
        "a.service", True, "failed", "failed", "oom-kill", "2"
    )
    gone = "LoadState=not-found\nActiveState=inactive\nSubState=dead\n"
    assert not read("a.scope", gone).loaded and not read("a.scope", "").loaded
