"""The parts of doctor that need no particular machine."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path

import pytest

from artac_daemon.host import credentials, doctor, storage_checks
from artac_daemon.host.doctor import Status
from artac_daemon.host.usage import Pressure
from artac_daemon.model.settings import PlacementPolicy, Settings


def detached(tmp_path: Path, claude: str = "") -> Settings:
    return Settings(
        placement=PlacementPolicy.DETACHED,
        state_directory=str(tmp_path / "state"),
        socket=str(tmp_path / "s"),
        claude_code_path=claude,
    )


def test_systemd_version() -> None:
    assert doctor.systemd_version("systemd 252 (252.39-1~deb12u1)\n+PAM") == 252
    assert doctor.systemd_version("systemd 257.13-1\n") == 257
    assert doctor.systemd_version("bash: systemctl: not found") is None


def test_missing_controllers_are_a_warning() -> None:
    every = ["cpu", "memory", "pids"]
    assert doctor.controllers_check(every, every, "x.service").status is Status.OK
    lacking = doctor.controllers_check(["cpu"], every, "x.service")
    assert lacking.status is Status.WARN and lacking.detail.startswith("memory, pids not")
    assert "Delegate" in lacking.fix
    poor = doctor.controllers_check([], [], "x.service")
    assert poor.status is Status.WARN and "this machine offers no" in poor.detail
    assert "Delegate" not in poor.fix


def found(environ: dict[str, str]) -> list[str]:
    places = {"ANTHROPIC_API_KEY": "/etc/artac/.env:3"}
    return [f"{source} {source.problem}".strip() for source in credentials.sources(environ, places)]


def test_a_key_is_found_with_its_place_and_never_shown() -> None:
    nowhere = {"HOME": "/nonexistent"}
    key = {**nowhere, "ANTHROPIC_API_KEY": "sk-ant-api-secret"}
    assert found(key) == ["ANTHROPIC_API_KEY from /etc/artac/.env:3"]
    assert found({**nowhere, "ANTHROPIC_AUTH_TOKEN": "x"}) == [
        "ANTHROPIC_AUTH_TOKEN from the environment"
    ]
    assert found({**nowhere, "ANTHROPIC_API_KEY": ""}) == []


def test_a_kernel_that_tells_no_pressure_is_a_warning() -> None:
    told = doctor.pressure_check(Pressure(some=3.0, full=1.5), 20.0)
    assert told.status is Status.OK and "1.5%" in told.detail and "20% allowed" in told.detail
    silent = doctor.pressure_check(None, 20.0)
    assert silent.status is Status.WARN and "psi=1" in silent.fix


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ANTHROPIC_API_KEY", "sk-ant-oat01-x", "looks like a value for CLAUDE_CODE_OAUTH_TOKEN"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-api03-x", "looks like a value for ANTHROPIC_API_KEY"),
        ("ANTHROPIC_API_KEY", '"sk-ant-api03-x"', "blanks or quotes"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-x ", "blanks or quotes"),
    ],
)
def test_what_cannot_be_right_is_said(name: str, value: str, problem: str) -> None:
    (said,) = found({name: value, "HOME": "/nonexistent"})
    assert problem in said and "sk-ant" not in said


def test_logins_on_disk(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    directory = tmp_path / ".claude"
    directory.mkdir()
    login, settings = directory / ".credentials.json", directory / "settings.json"
    assert found(home) == []
    for content in ("", "{", "[]", "{}", '{"claudeAiOauth": null}'):
        login.write_text(content)
        assert found(home) == []
    settings.write_text('{"apiKeyHelper": "/bin/secret-helper"}')
    assert found(home) == [f"apiKeyHelper from {settings}"]
    settings.write_text('{"env": {"CLAUDE_CODE_USE_VERTEX": "1"}}')
    assert found(home) == [f"CLAUDE_CODE_USE_VERTEX from {settings}"]
    settings.unlink()
    login.write_text('{"claudeAiOauth": {"accessToken": "t0ken"}}')
    login.chmod(0o600)
    assert found(home) == [f"login from {login}"]
    assert found({"CLAUDE_CONFIG_DIR": str(directory)}) == [f"login from {login}"]
    login.chmod(0o644)
    assert "chmod 600" in found(home)[0]
    login.write_text('{"claudeAiOauth": {"accessToken": "t0ken", "expiresAt": 1}}')
    assert "expired" in found(home)[0]
    assert "BEDROCK" in found({"CLAUDE_CODE_USE_BEDROCK": "1", "HOME": "/nonexistent"})[0]
    assert found({"CLAUDE_CODE_USE_BEDROCK": "0", "HOME": "/nonexistent"}) == []


def test_the_first_is_the_one_that_claude_uses(tmp_path: Path) -> None:
    """As the headers that Claude Code 2.1.330 sends show."""
    (tmp_path / ".credentials.json").write_text('{"claudeAiOauth": {"accessToken": "t"}}')
    (tmp_path / "settings.json").write_text('{"apiKeyHelper": "x"}')
    environ = {
        "CLAUDE_CONFIG_DIR": str(tmp_path),
        "CLAUDE_CODE_OAUTH_TOKEN": "t",
        "ANTHROPIC_API_KEY": "k",
    }
    names = [source.what for source in credentials.sources(environ, {})]
    assert names == ["ANTHROPIC_API_KEY", "apiKeyHelper", "CLAUDE_CODE_OAUTH_TOKEN", "login"]


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        ("ANTHROPIC_API_KEY=sk-1\n", True),
        ("export GH_TOKEN='x'\n", True),
        ("session_env:\n  MY_SECRET: x\n", True),
        ("notify_secret_file: /etc/artac/secret\n", False),
        ("#ANTHROPIC_API_KEY=sk-1\nANTHROPIC_API_KEY=\nmax_sessions: 3\n", False),
    ],
)
def test_secrets_that_all_can_read(tmp_path: Path, content: str, secret: bool) -> None:
    file = tmp_path / "artac.env"
    file.write_text(content)
    file.chmod(0o644)
    found = storage_checks.configuration({"ARTAC_CONFIG_DIRECTORY": str(tmp_path)})
    assert found[0][1] == ("fail" if secret else "ok")
    assert ("chmod" in found[0][3]) is secret
    file.chmod(0o640)
    assert not storage_checks.is_exposed(file)


def test_state_directory(tmp_path: Path) -> None:
    settings = detached(tmp_path)
    assert [row[1] for row in storage_checks.state(settings, {})] == ["skip"]
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    rows = {row[0]: row for row in storage_checks.state(settings, {})}
    assert rows["state directory"][1] == rows["hole punching"][1] == "ok"
    assert list(state.iterdir()) == []
    state.chmod(0o755)
    row = storage_checks.state(settings, {})[0]
    assert row[1] == "fail" and row[3] == f"chmod 700 {state}"


def test_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        for mode, shared, status in (
            (0o600, False, "ok"), (0o660, False, "fail"), (0o660, True, "ok"), (0o666, True, "fail")
        ):  # fmt: skip
            path.chmod(mode)
            assert storage_checks.socket_verdict(str(path), path.lstat(), shared)[0] == status
    path.unlink()
    path.touch()
    assert storage_checks.socket_verdict(str(path), path.lstat(), False)[0] == "fail"


def test_every_failing_line_says_what_to_run(tmp_path: Path) -> None:
    settings = detached(tmp_path, "/nonexistent/claude")
    checks = asyncio.run(doctor.examine(settings, {"HOME": str(tmp_path)}, {}, {}))
    failed = {check.name for check in checks if check.status is Status.FAIL}
    assert {"claude", "login"} <= failed
    assert all(check.fix for check in checks if check.status is Status.FAIL)
    assert all("\n" not in check.detail for check in checks)
    json.dumps([check.to_json() for check in checks])


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("echo 2.1.197", Status.OK),
        ("echo broken node >&2; exit 3", Status.FAIL),
        ("sleep 60 & sleep 60", Status.FAIL),
    ],
)
def test_claude_is_asked_for_its_version(
    tmp_path: Path, script: str, status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_PATIENCE", 1.0)
    claude = tmp_path / "claude"
    claude.write_text(f"#!/bin/sh\n{script}\n")
    claude.chmod(0o755)
    key = {"ANTHROPIC_API_KEY": "k", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    settings = detached(tmp_path, str(claude))
    checks = asyncio.run(doctor.examine(settings, key, {}, {}, in_service=False))
    found = next(check for check in checks if check.name == "claude")
    assert found.status is status, found
