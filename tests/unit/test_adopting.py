"""Which process may be adopted, and that it is the one that was meant."""

from __future__ import annotations

import os
import subprocess

import pytest

from artac_daemon.claude.recognition import runs_claude
from artac_daemon.host import foreign, scopes
from artac_daemon.host.processes import identify
from artac_daemon.keeper.adopted import Adopted
from artac_daemon.model.census import session_cgroup
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import Identity


@pytest.mark.parametrize(
    ("executable", "argv", "expected"),
    [
        ("/home/a/.local/share/claude/versions/2.1.330", ["claude"], True),
        ("/home/a/.local/bin/claude", ["/home/a/.local/bin/claude", "-p"], True),
        ("/usr/bin/node", ["claude"], True),
        ("/usr/bin/node", ["node", "/usr/lib/@anthropic-ai/claude-code/cli.js"], True),
        ("/usr/bin/node", ["node", "--max-old-space-size=9", "/usr/bin/claude", "-p"], True),
        ("/usr/bin/node", ["node", "server.js", "claude"], False),
        ("/usr/bin/vim", ["vim", "@anthropic-ai/claude-code/cli.js"], False),
        ("/usr/bin/python3", ["python3", "claude"], False),
        ("/usr/bin/bash", ["bash", "-c", "claude"], False),
        ("", ["claude"], True),
        ("", [], False),
    ],
)
def test_claude_is_told_from_what_only_names_it(
    executable: str, argv: list[str], expected: bool
) -> None:
    assert runs_claude(executable, tuple(argv)) is expected


@pytest.mark.parametrize(
    ("cgroup", "session"),
    [
        ("/system.slice/artac.service/sessions/session-k3f9q2/claude", "k3f9q2"),
        ("/user.slice/u/user@1.service/artac.slice/artac-session-k3f9q2.scope/keeper", "k3f9q2"),
        ("/user.slice/user-1000.slice/session-234567.scope", None),
        ("/user.slice/user-1000.slice/session-c2.scope", None),
        ("", None),
    ],
)
def test_a_cgroup_tells_whose_session_it_is(cgroup: str, session: str | None) -> None:
    found = session_cgroup(cgroup)
    assert (found.session if found else None) == session


def test_a_process_that_is_none_is_not_found() -> None:
    with subprocess.Popen(["true"]) as child:
        child.wait()
    with pytest.raises(ArtacError) as caught:
        foreign.look(child.pid)
    assert caught.value.kind is ErrorKind.NOT_FOUND


def test_an_adopted_process_is_the_one_that_was_meant() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            found = identify(child.pid)
            assert found is not None
            adopted = Adopted(found.to_json())
            os.close(adopted.fd)
            another = Identity(child.pid, found.start_time + 1, found.boot_id)
            with pytest.raises(ProcessLookupError):
                Adopted(another.to_json())
        finally:
            child.kill()


def test_a_scope_is_the_same_whichever_way_it_is_made(tmp_path: os.PathLike[str]) -> None:
    from pathlib import Path

    command = scopes.command("k3f9q2", Path(tmp_path), 10.0, ["TasksMax=5"], ["keeper"])
    rows = scopes.properties("k3f9q2", Path(tmp_path), 10.0)
    assert all(row.option in command for row in rows)
    assert command[-3:] == ["--property=TasksMax=5", "--", "keeper"]
    stop = next(row for row in rows if row.name == "TimeoutStopUSec")
    assert (stop.option, stop.value) == ("--property=TimeoutStopSec=20s", "20000000")
