"""Who else could read a file, and the command after which only those can that have to."""

from __future__ import annotations

import grp
import os
import subprocess
from pathlib import Path

import pytest

from artac_daemon.host import config_text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "with blank.env"
    file.write_text("SECRET=x\n")
    file.chmod(0o644)
    return file


def closed(file: Path, command: str) -> bool:
    """Whether that command has been run, and the file is no longer exposed."""
    subprocess.run(["sh", "-c", command], check=True)
    return not config_text.exposed(file, file.stat())


def test_what_is_ones_own_is_for_oneself(file: Path) -> None:
    assert config_text.exposed(file, file.stat())
    assert closed(file, config_text.closing(file, file.stat()))
    assert file.stat().st_mode & 0o777 == 0o600
    made = file.with_name("made")
    assert closed(made, config_text.making(made, "echo x"))
    assert (made.read_text(), made.stat().st_mode & 0o777) == ("x\n", 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for another account")
def test_what_root_wrote_stays_readable_to_the_service(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = grp.getgrgid(os.stat("/etc/shadow").st_gid)  # any group but root's own
    monkeypatch.setattr(config_text, "_ACCOUNT", account.gr_name)
    monkeypatch.setattr(config_text, "_OF_THE_MACHINE", file.parent)
    for command in (
        config_text.closing(file, file.stat()),
        config_text.making(file, "echo x"),
    ):
        file.chmod(0o644)
        assert closed(file, command)
        status = file.stat()
        assert (status.st_gid, status.st_mode & 0o777) == (account.gr_gid, 0o640)
    # The service itself, which may not give its files away, says the same of root's.
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(os, "getegid", lambda: account.gr_gid)
    file.chmod(0o644)
    assert config_text.exposed(file, file.stat())
    assert f"chgrp {account.gr_name} " in config_text.closing(file, file.stat())
    file.chmod(0o640)
    assert not config_text.exposed(file, file.stat())
