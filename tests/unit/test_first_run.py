"""What Claude will ask at a start, from what is in its home and in the directory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.claude import home as homes
from artac_daemon.claude.first_run import Home, Place, check, questions

KEY = "sk-ant-api-0123456789abcdefghij"
SET_UP: dict[str, Any] = {"hasCompletedOnboarding": True}
APPROVED = {"customApiKeyResponses": {"approved": [KEY[-20:]]}}
WORK = Place("/home/a/src/sub")


def home(configuration: dict[str, Any] | None = None, **settings: Any) -> Home:
    found = {"/home/a/.claude/settings.json": settings} if settings else {}
    return Home("/home/a/.claude.json", "/home/a", configuration or {}, settings=found)


def trusting(*directories: str) -> dict[str, Any]:
    return {**SET_UP, "projects": {name: {"hasTrustDialogAccepted": True} for name in directories}}


def dialogs(found: Home, place: Place | None = WORK, **environ: str) -> list[str]:
    return [question.dialog for question in questions(found, place, environ)]


def test_a_fresh_home_asks_for_all_of_it_and_the_key_within_the_onboarding() -> None:
    place = Place("/home/a/src", mcp_servers=("db",))
    asked = questions(home(), place, {"ANTHROPIC_API_KEY": KEY})
    assert [question.dialog for question in asked] == ["onboarding", "trust", "mcp-servers"]
    assert all(question.sentence and question.what_to_do for question in asked)
    assert "db" in asked[2].sentence
    assert KEY not in str(asked)


def test_nothing_is_asked_where_everything_was_answered() -> None:
    answered = {**trusting("/home/a/src/sub"), **APPROVED}
    assert dialogs(home(answered), ANTHROPIC_API_KEY=KEY) == []
    refused = {**answered, "customApiKeyResponses": {"approved": [], "rejected": [KEY[-20:]]}}
    assert dialogs(home(refused), ANTHROPIC_API_KEY=KEY) == []


@pytest.mark.parametrize(
    ("trusted", "place", "asked"),
    [
        ("/home/a/src", Place("/home/a/src"), False),
        ("/home/a/src", Place("/home/a/src/sub"), False),
        ("/home/a/src/sub", Place("/home/a/src"), True),
        ("/home/a/srcs", Place("/home/a/src"), True),
        ("/", Place("/home/a/src"), False),
        ("/home/a/src", Place("/home/a/src/x/y", repository="/home/a/src"), False),
        ("/home/a/src/x", Place("/home/a/src/x/y", repository="/home/a/src"), False),
        # A repository within a trusted directory is trusted for itself only.
        ("/home/a", Place("/home/a/src", repository="/home/a/src"), True),
        ("/home/a/main", Place("/home/a/tree", "/home/a/tree", "/home/a/main"), False),
    ],
)
def test_trust_holds_below_and_ends_at_a_repository(
    trusted: str, place: Place, asked: bool
) -> None:
    assert ("trust" in dialogs(home(trusting(trusted)), place)) is asked


def test_trust_that_is_not_plainly_given_is_asked_for() -> None:
    for value in (False, None, "true", 1):
        content = {**SET_UP, "projects": {WORK.cwd: {"hasTrustDialogAccepted": value}}}
        assert dialogs(home(content)) == ["trust"]
    damaged: tuple[object, ...] = ([], "x", {WORK.cwd: None}, {WORK.cwd: []})
    for projects in damaged:
        assert dialogs(home({**SET_UP, "projects": projects})) == ["trust"]


def test_a_home_and_a_sandbox_are_said_to_be_special() -> None:
    (asked,) = questions(home(SET_UP), Place("/home/a"), {})
    assert asked.dialog == "trust" and "does not keep" in asked.sentence
    assert dialogs(home(SET_UP), CLAUDE_CODE_SANDBOXED="1") == []
    assert dialogs(home(SET_UP), CLAUDE_CODE_SANDBOXED="0") == ["trust"]


def test_a_key_is_asked_about_wherever_it_comes_from_but_for_a_cloud() -> None:
    trusted = trusting(WORK.cwd)
    assert dialogs(home(trusted), ANTHROPIC_API_KEY=KEY) == ["api-key"]
    assert dialogs(home(trusted, env={"ANTHROPIC_API_KEY": KEY})) == ["api-key"]
    assert dialogs(home({**trusted, **APPROVED}), ANTHROPIC_API_KEY="another key") == ["api-key"]
    assert dialogs(home(trusted), ANTHROPIC_AUTH_TOKEN="t") == []
    assert dialogs(home(trusted), ANTHROPIC_API_KEY=KEY, CLAUDE_CODE_USE_BEDROCK="1") == []


def test_servers_of_a_project_are_asked_about_until_somebody_has_named_them() -> None:
    place = Place(WORK.cwd, mcp_servers=("db", "web"))
    trusted = trusting(WORK.cwd)
    (asked,) = questions(home(trusted, enabledMcpjsonServers=["db"]), place, {})
    assert asked.dialog == "mcp-servers" and "web" in asked.sentence and "db" not in asked.sentence
    both = home(trusted, enabledMcpjsonServers=["db"], disabledMcpjsonServers=["web"])
    assert dialogs(both, place) == []
    assert dialogs(home(trusted, enableAllProjectMcpServers=True), place) == []
    recorded = json.loads(json.dumps(trusted))
    recorded["projects"][WORK.cwd]["enabledMcpjsonServers"] = ["db", "web"]
    assert dialogs(home(recorded), place) == []


def test_a_mode_without_questions_is_asked_about_once() -> None:
    bypassing = {"permissions": {"defaultMode": "bypassPermissions"}}
    trusted = trusting(WORK.cwd)
    assert dialogs(home(trusted, **bypassing)) == ["bypass-permissions"]
    assert dialogs(home(trusted, **bypassing, skipDangerousModePermissionPrompt=True)) == []
    assert dialogs(home({**trusted, "bypassPermissionsModeAccepted": True}, **bypassing)) == []


def test_the_check_tells_what_is_asked_anywhere() -> None:
    _, status, detail, fix = check(home(), {}, ())
    assert status == "warn" and "set up" in detail and fix
    assert check(home(SET_UP), {}, ())[1:] == (
        "ok", "Claude asks nothing but whether a new directory is trusted, everywhere", "",
    )  # fmt: skip
    assert "but in /srv/a" in check(home(SET_UP), {}, ("/srv/a",))[2]
    damaged = Home("/h/.claude.json", "/h", {}, damage="/h/.claude.json is not valid JSON (x)")
    _, status, detail, fix = check(damaged, {}, ())
    assert status == "fail" and "not valid JSON" in detail and "/h/.claude.json" in fix


# What is read


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home")}


def test_the_file_is_where_claude_has_it(environ: dict[str, str], tmp_path: Path) -> None:
    mine = tmp_path / "home"
    assert homes.path(environ) == f"{mine}/.claude.json"
    elsewhere = {**environ, "CLAUDE_CONFIG_DIR": "cfg"}
    seen = homes.seen_from(elsewhere, str(tmp_path))
    assert homes.path(seen) == f"{tmp_path}/cfg/.claude.json"
    assert homes.settings_directory(seen) == f"{tmp_path}/cfg"
    (mine / ".claude").mkdir()
    (mine / ".claude/.config.json").write_text("{}")
    assert homes.path(environ) == f"{mine}/.claude/.config.json"


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (b"", "onboarding"),
        (b" \n\0", "onboarding"),
        (b"[]", "onboarding"),
        (b"null", "onboarding"),
        (b'\xef\xbb\xbf{"hasCompletedOnboarding": true}', ""),
        (b'{"hasCompletedOnboarding": tr', "configuration"),
        (b'{"a": NaN}', "configuration"),
        (b"\xff", "configuration"),
        (b"[" * 100_000, "configuration"),
    ],
)
def test_a_damaged_file_is_told_from_an_empty_one(
    environ: dict[str, str], content: bytes, asked: str
) -> None:
    Path(homes.path(environ)).write_bytes(content)
    found = questions(homes.read(environ), None, environ)
    assert [question.dialog for question in found] == ([asked] if asked else [])


def test_reading_a_home_changes_nothing_and_waits_for_nobody(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assert homes.read(environ).configuration == {}
    assert not list((tmp_path / "home").iterdir())
    os.mkfifo(homes.path(environ))
    assert "not a regular file" in homes.read(environ).damage


def test_a_place_knows_its_repository_and_the_servers_above_it(tmp_path: Path) -> None:
    inner = tmp_path / "repo/sub"
    inner.mkdir(parents=True)
    assert homes.place(str(inner)) == Place(str(inner))
    (tmp_path / "repo/.git").mkdir()
    (tmp_path / ".mcp.json").write_text('{"mcpServers": {"far": {}, "both": {}}}')
    (inner / ".mcp.json").write_text('{"mcpServers": {"near": {}, "both": {}}}')
    found = homes.place(str(inner))
    assert (found.repository, found.origin) == (f"{tmp_path}/repo", "")
    assert found.mcp_servers == ("near", "both", "far")
    (inner / ".git").symlink_to("/dev/zero")
    assert homes.place(str(inner)).repository == str(inner), "and nothing is read of what is none"
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {tmp_path}/repo/.git/worktrees/tree\n")
    found = homes.place(str(tree))
    assert (found.repository, found.origin) == (str(tree), f"{tmp_path}/repo")


def test_settings_of_the_user_and_the_project_count(
    environ: dict[str, str], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    (work / ".claude").mkdir(parents=True)
    (work / ".mcp.json").write_text('{"mcpServers": {"db": {}}}')
    Path(homes.path(environ)).write_text(json.dumps(trusting(str(work))))
    place = homes.place(str(work))
    assert dialogs(homes.read(environ, str(work)), place) == ["mcp-servers"]
    (work / ".claude/settings.local.json").write_text('{"enabledMcpjsonServers": ["db"]}')
    assert dialogs(homes.read(environ, str(work)), place) == []
    settings = tmp_path / "home/.claude/settings.json"
    settings.parent.mkdir()
    settings.write_text("{")
    (asked,) = questions(homes.read(environ, str(work)), place, environ)
    assert asked.dialog == "settings" and str(settings) in asked.sentence
