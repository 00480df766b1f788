"""Claude's command line and environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from artac_daemon.claude.command import argv, check_args, environment, find
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import Kind, Placement, SessionSpec

SPEC = SessionSpec(
    id="k3f9q2",
    name="api",
    kind=Kind.HEADLESS,
    placement=Placement.SCOPE,
    persistent=True,
    cwd="/srv",
    claude_session_id="11111111-2222-3333-4444-555555555555",
    created_at=1.0,
    boot_id="boot",
)
TERMINAL = replace(SPEC, kind=Kind.TERMINAL)


def program(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


# Finding it


def test_the_configured_program_is_taken(tmp_path: Path) -> None:
    mine = program(tmp_path / "mine")
    assert find(str(mine), path=str(program(tmp_path / "bin/claude").parent)) == str(mine)


@pytest.mark.parametrize("form", ["missing", "not executable", "directory"])
def test_a_configured_program_that_cannot_run_is_refused_by_name(tmp_path: Path, form: str) -> None:
    path = tmp_path / "claude"
    if form == "not executable":
        program(path, 0o644)
    elif form == "directory":
        path.mkdir()
    with pytest.raises(ArtacError) as refused:
        find(str(path), path=str(program(tmp_path / "bin/claude").parent))
    assert refused.value.kind is ErrorKind.CONFIG
    assert "claude_code_path" in refused.value.message and str(path) in refused.value.message


def test_else_it_is_the_first_in_path_and_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "one/claude", 0o644)
    second = program(tmp_path / "two/claude")
    program(tmp_path / "three/claude")
    monkeypatch.chdir(tmp_path)
    assert find("", path="one:two:three") == str(second)


def test_where_there_is_none_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtacError) as refused:
        find("", path=str(tmp_path))
    assert refused.value.kind is ErrorKind.CONFIG
    assert "npm install" in refused.value.message and "claude_code_path" in refused.value.message


# The user's own arguments


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--append-system-prompt", "be brief"),
        ("--mcp-config=servers.json", "--add-dir", "/srv"),
        ("--max-turns", "3"),
    ],
)
def test_arguments_of_the_user_are_passed_on(args: tuple[str, ...]) -> None:
    assert check_args(args) == args


@pytest.mark.parametrize(
    "word",
    [
        "-p", "--print", "--input-format", "--output-format=text", "--verbose", "--session-id=x",
        "--resume", "--resume=x", "-r", "--continue", "-c", "--fork-session", "--model=opus",
        "--permission-mode=bypassPermissions", "--allowedTools", "--allowed-tools=Bash", "--bg",
        "--dangerously-skip-permissions", "--allow-dangerously-skip-permissions",
    ],
)  # fmt: skip
def test_what_artac_sets_or_does_not_host_is_refused_by_name(word: str) -> None:
    with pytest.raises(ArtacError) as refused:
        check_args(("--add-dir", "/srv", word))
    assert refused.value.kind is ErrorKind.USAGE
    assert refused.value.message.startswith(word.split("=")[0])


@pytest.mark.parametrize("word", ["-pc", "-rabc", "-cp", "-r=abc"])
def test_a_short_option_is_refused_in_every_way_to_write_it(word: str) -> None:
    with pytest.raises(ArtacError):
        check_args((word,))


def test_a_nul_is_refused() -> None:
    with pytest.raises(ArtacError) as refused:
        check_args(("--add-dir", "/srv\0/etc"))
    assert refused.value.kind is ErrorKind.USAGE


# The command line


def test_a_headless_session_is_spoken_to_in_stream_json() -> None:
    words = argv("/usr/bin/claude", SPEC)
    assert words[:2] == ["/usr/bin/claude", "-p"]
    for option in ("--input-format", "--output-format"):
        assert words[words.index(option) + 1] == "stream-json"
    assert {"--verbose", "--replay-user-messages"} <= set(words)
    assert words[words.index("--session-id") + 1] == SPEC.claude_session_id


def test_a_terminal_session_has_its_id_and_no_format() -> None:
    assert argv("/usr/bin/claude", TERMINAL) == [
        *("/usr/bin/claude", "--session-id", SPEC.claude_session_id),
        *("--permission-mode", "default"),
    ]


def test_a_terminals_settings_take_the_place_of_the_users_own() -> None:
    asked = replace(TERMINAL, claude_args=("--settings", "{}", "--add-dir", "/srv"))
    words = argv("claude", asked, "/state/settings")
    assert words[-4:] == ["--settings", "/state/settings", "--add-dir", "/srv"]
    assert words.count("--settings") == 1
    assert argv("claude", asked)[-4:] == list(asked.claude_args)


def test_what_was_asked_for_is_on_the_command_line() -> None:
    asked = replace(
        TERMINAL,
        model="opus",
        permission_mode="acceptEdits",
        allowed_tools=("Bash(git *)", "Read"),
        claude_args=("--add-dir", "/srv"),
    )
    words = argv("claude", asked)
    assert words[words.index("--model") + 1] == "opus"
    assert words[words.index("--permission-mode") + 1] == "acceptEdits"
    assert words[words.index("--allowed-tools") + 1] == "Bash(git *),Read"
    assert words[-2:] == ["--add-dir", "/srv"]
    for word in ("--model", "--allowed-tools"):
        assert word not in argv("claude", TERMINAL)


# The environment


def env(spec: SessionSpec = SPEC, **base: str) -> dict[str, str]:
    return environment(base, {}, {}, {}, spec)


def test_later_sources_win_and_artacs_own_words_win_over_all() -> None:
    names = ("A", "B", "C", "D")
    base = dict.fromkeys(names, "base")
    dotenv, configured = dict.fromkeys(names[1:], "dotenv"), dict.fromkeys(names[2:], "configured")
    asked = {"D": "asked", "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "0"}
    found = environment(base, dotenv, configured, asked, SPEC)
    assert [found[name] for name in names] == ["base", "dotenv", "configured", "asked"]
    assert found["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] == "1"
    assert (found["ARTAC_SESSION"], found["ARTAC_NAME"]) == ("k3f9q2", "api")


@pytest.mark.parametrize(
    "name",
    [
        "NOTIFY_SOCKET", "JOURNAL_STREAM", "INVOCATION_ID", "SYSTEMD_EXEC_PID", "WATCHDOG_USEC",
        "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "STATE_DIRECTORY", "RUNTIME_DIRECTORY",
        "CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY", "PERSIST_CLAUDE_SESSIONS",
        "CLAUDE_CODE_PATH", "ARTAC_SOCKET", "ARTAC_STATE_DIRECTORY",
    ],
)  # fmt: skip
def test_what_systemd_and_artacs_settings_say_is_not_for_sessions(name: str) -> None:
    assert name not in env(**{name: "secret"})


@pytest.mark.parametrize("name", ["PATH", "HOME", "ANTHROPIC_API_KEY", "MY_DIRECTORY", "LISTENER"])
def test_everything_else_of_the_services_environment_is(name: str) -> None:
    assert env(**{name: "value"})[name] == "value"


@pytest.mark.parametrize(
    ("given", "seen"),
    [({}, "xterm-256color"), ({"TERM": "dumb"}, "xterm-256color"), ({"TERM": "foot"}, "foot")],
)
def test_a_terminal_session_has_a_terminal_that_can_do_something(
    given: dict[str, str], seen: str
) -> None:
    assert env(TERMINAL, **given)["TERM"] == seen
    assert env(SPEC, **given).get("TERM") == given.get("TERM")


def test_a_session_that_asks_nobody_has_no_prompt_tool_and_the_others_do() -> None:
    assert "--permission-prompt-tool" in argv("/claude", SPEC)
    assert "--permission-prompt-tool" not in argv("/claude", replace(SPEC, deny_permissions=True))
