"""The hook client as Claude runs it, and what its lines and the settings come to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.claude import hooks
from artac_daemon.keeper import hook
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import State


def told(file: Path | str, data: bytes) -> None:
    """Run the client with an event on its input: silent and content, whatever comes of it."""
    command = [sys.executable, "-I", "-S", hook.__file__, str(file)]
    done = subprocess.run(command, input=data, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def event(name: str, **content: Any) -> bytes:
    return json.dumps({"session_id": "s", "hook_event_name": name, **content}).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "hooks"
    made.touch(mode=0o600)
    return made


def test_an_event_becomes_one_line_of_what_is_wanted(file: Path) -> None:
    told(file, event("PostToolUse", tool_name="Bash", tool_input={"command": "key=secret"}))
    told(file, event("UserPromptSubmit", prompt='häl"lo\n'))
    first, second = map(json.loads, file.read_bytes().splitlines())
    assert set(first) == {"at", "session_id", "hook_event_name", "tool_name"}
    assert (second["prompt_length"], second["prompt_head"]) == (7, 'häl"lo\n')
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_event_of_any_size_is_read_whole_and_noted_short(file: Path) -> None:
    told(file, event("PostToolUse", tool_name="Bash", tool_response={"stdout": "x" * 5_000_000}))
    told(file, event("UserPromptSubmit", prompt="ä" * 5_000_000))
    read = [hooks.read(line) for line in file.read_bytes().splitlines()]
    assert [found.event for found in read if found] == ["PostToolUse", "UserPromptSubmit"]
    assert read[1] and (read[1].prompt_length, read[1].prompt_head) == (None, "ä" * 200)
    assert file.stat().st_size < 4000


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe", b'{"a', b"null", b'{"a" 1}'])
def test_what_is_no_event_is_none(file: Path, data: bytes) -> None:
    told(file, data)
    lines = file.read_bytes().splitlines()
    assert len(lines) == 1 and hooks.next_state(State.WORKING, hooks.read(lines[0]) or NONE)
    assert hooks.next_state(State.WORKING, hooks.read(lines[0]) or NONE) is State.WORKING


NONE = hooks.Hook(event="", at=0.0)


def test_without_its_file_nothing_is_made(tmp_path: Path) -> None:
    told(tmp_path / "gone" / "hooks", event("Stop"))
    told(tmp_path / "hooks", event("Stop"))
    os.mkfifo(tmp_path / "fifo")
    told(tmp_path / "fifo", event("Stop"))
    target = tmp_path / "target"
    target.touch()
    (tmp_path / "link").symlink_to(target)
    told(tmp_path / "link", event("Stop"))
    assert target.read_bytes() == b"" and not (tmp_path / "hooks").exists()
    told("/dev/full", event("Stop"))


def test_it_does_not_wait_for_ever_for_claude(file: Path) -> None:
    command = [sys.executable, "-I", "-S", hook.__file__, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(30) == 0
    assert file.read_bytes() == b""


# The settings


def test_a_users_own_settings_and_hooks_are_kept() -> None:
    theirs = {"hooks": {"Stop": [{"hooks": ["theirs"]}], "PreToolUse": []}, "env": {"A": "1"}}
    made = hooks.settings(["/usr/bin/python3", "/a dir/hook.py"], theirs)
    assert made["env"] == {"A": "1"} and made["hooks"]["PreToolUse"] == []
    assert made["hooks"]["Stop"][0] == {"hooks": ["theirs"]} and len(made["hooks"]["Stop"]) == 2
    assert set(hooks.EVENTS) <= set(made["hooks"])
    command = made["hooks"]["Stop"][1]["hooks"][0]["command"]
    assert command == "/usr/bin/python3 '/a dir/hook.py'"


@pytest.mark.parametrize(
    ("args", "rest", "value"),
    [
        (("--add-dir", "/srv"), ("--add-dir", "/srv"), None),
        (("--settings", "a.json", "-n", "x"), ("-n", "x"), "a.json"),
        (("--settings={}", "--settings", "b"), (), "b"),
        (("--settings",), (), ""),
    ],
)
def test_the_users_option_is_taken_out(
    args: tuple[str, ...], rest: tuple[str, ...], value: str | None
) -> None:
    assert hooks.take_settings(args) == (rest, value)


def test_settings_are_text_or_a_file_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text('{"model": "x"}')
    assert hooks.users_settings("mine.json", str(tmp_path)) == {"model": "x"}
    assert hooks.users_settings(' {"model": "y"} ', "/") == {"model": "y"}


@pytest.mark.parametrize("value", ["none.json", "", "{", "array.json", '{"hooks": [1]}'])
def test_settings_that_claude_would_refuse_are_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "array.json").write_text("[]")
    with pytest.raises(ArtacError) as refused:
        hooks.settings(["hook"], hooks.users_settings(value, str(tmp_path)))
    assert refused.value.kind is ErrorKind.USAGE and "--settings" in refused.value.message


# The states, by hooks alone


def test_the_states_of_a_turn_with_a_permission() -> None:
    seen = []
    state = State.STARTING
    for name in (
        *("SessionStart", "UserPromptSubmit", "PermissionRequest", "PostToolUseFailure"),
        *("PostToolUse", "Stop", "PostToolUse", "SomethingNew"),
    ):
        state = hooks.next_state(state, hooks.Hook(name, 0.0))
        seen.append(state.value)
    assert seen == ["idle", "working", "needs-permission", "working", "working", *["idle"] * 3]


def test_notifications_and_a_compacted_conversation() -> None:
    def after(state: State, **content: str) -> State:
        return hooks.next_state(state, hooks.Hook(at=0.0, **content))

    compacted = {"event": "SessionStart", "source": "compact"}
    assert after(State.WORKING, **compacted) is State.WORKING
    waits = {"event": "Notification", "notification": "permission_prompt"}
    assert after(State.WORKING, **waits) is State.NEEDS_PERMISSION
    rests = {"event": "Notification", "notification": "idle_prompt"}
    assert after(State.WORKING, **rests) is State.IDLE
    assert after(State.WORKING, event="Notification", notification="other") is State.WORKING
