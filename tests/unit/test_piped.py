"""Claude's command line and environment where a program speaks to it."""

from __future__ import annotations

import pytest

from artac_daemon.claude import piped
from artac_daemon.cli.dropin.entry import without
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import Kind, Placement, SessionSpec


def _spec(**content: object) -> SessionSpec:
    fields: dict[str, object] = {
        "id": "k3f9q2",
        "name": "prog",
        "kind": Kind.PIPED,
        "placement": Placement.SERVICE,
        "persistent": False,
        "cwd": "/",
        "claude_session_id": "",
        "created_at": 0.0,
        "boot_id": "b",
        "permission_mode": "",
        **content,
    }
    return SessionSpec(**fields)  # type: ignore[arg-type]


def test_a_programs_arguments_are_the_last() -> None:
    spec = _spec(permission_mode="plan", denied_tools=("Bash",), allowed_tools=("Read",))
    ours = "--permission-mode plan --disallowed-tools Bash --allowed-tools Read"
    found = piped.argv("/c", spec, ("--x",), ("-p", "hello"))
    assert found == ["/c", "--x", *ours.split(), "-p", "hello"]


def test_its_own_permission_mode_stays() -> None:
    words = ("-p", "--permission-mode=plan", "hello")
    assert piped.argv("/c", _spec(permission_mode="plan"), (), words) == ["/c", *words]


@pytest.mark.parametrize(
    "words",
    [
        ["--dangerously-skip-permissions"],
        ["--allow-dangerously-skip-permissions"],
        ["--permission-mode", "plan", "--permission-mode", "bypassPermissions"],
        ["--effort", "--dangerously-skip-permissions"],
        ["--bg"],
        ["--teleport"],
        ["mcp", "list"],
    ],
)
def test_what_artac_does_not_host(words: list[str]) -> None:
    with pytest.raises(ArtacError) as refused:
        piped.check("/usr/bin/claude", ("-p", *words) if words != ["mcp", "list"] else ("mcp",))
    assert refused.value.kind is ErrorKind.USAGE


def test_a_claude_that_is_artac_claude_itself_is_refused() -> None:
    with pytest.raises(ArtacError) as refused:
        piped.check("/usr/bin/artac-claude", ("-p",))
    assert refused.value.kind is ErrorKind.CONFIG


def test_another_accounts_home_stays_with_it() -> None:
    env = {"HOME": "/home/alice", "XDG_RUNTIME_DIR": "/run/user/7", "MINE": "1", "ARTAC_X": "2"}
    assert piped.of_program(env, same_account=False) == {"MINE": "1"}
    assert set(piped.of_program(env, same_account=True)) == {"HOME", "XDG_RUNTIME_DIR", "MINE"}


def test_the_programs_environment_wins() -> None:
    base = {"HOME": "/var/lib/artac", "NOTIFY_SOCKET": "/n", "KEY": "service"}
    env = piped.environment(base, {"A": "dotenv"}, {"A": "yaml"}, {"KEY": "mine"}, _spec())
    told = {"ARTAC_SESSION": "k3f9q2", "ARTAC_NAME": "prog"}
    assert env == {"HOME": "/var/lib/artac", "KEY": "mine", "A": "yaml", **told}


def test_options_that_artac_run_has_are_taken_out() -> None:
    words = ["--model", "opus", "-c", "--model=x", "--", "--model", "y"]
    assert without(words, "--model") == ["-c", "--", "--model", "y"]
