"""A key reaches sessions by every way there is, and nobody else by any."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.way import CLAUDE_ENVIRONMENT, Way

KEY = "sk-ant-api03-a-secret-of-this-test"
WITHOUT_KEY = {n: v for n, v in CLAUDE_ENVIRONMENT.items() if n != "ANTHROPIC_API_KEY"}


def _environment_file(way: Way) -> str:
    way.configure(ANTHROPIC_API_KEY=KEY)
    return "the environment"


def _dotenv(way: Way) -> str:
    script = 'install -m 0640 -g artac /dev/null /etc/artac/.env; cat >"$0"'
    content = f"ANTHROPIC_API_KEY={KEY}\n"
    way.machine.run(["sh", "-c", script, "/etc/artac/.env"], input=content)
    return "/etc/artac/.env:1"


def _credential(way: Way) -> str:
    way.machine.run(["sh", "-c", "umask 077; cat >/etc/artac-key"], input=f"{KEY}\n")
    way.drop_in("key", "[Service]\nLoadCredential=anthropic-api-key:/etc/artac-key\n")
    return "systemd credential anthropic-api-key"


def _encrypted_credential(way: Way) -> str:
    encrypt = ("systemd-creds", "encrypt", "--with-key=host", "--name=anthropic-api-key")
    way.machine.run([*encrypt, "-", "/etc/artac-key"], input=KEY)
    way.drop_in("key", "[Service]\nLoadCredentialEncrypted=anthropic-api-key:/etc/artac-key\n")
    return "systemd credential anthropic-api-key"


@pytest.mark.parametrize(
    "give",
    [_environment_file, _dotenv, _credential, _encrypted_credential],
    ids=lambda f: f.__name__,
)
@pytest.mark.parametrize("persist", ["false", "true"])
def test_a_key_is_for_sessions_only(system: Way, give: Callable[[Way], str], persist: str) -> None:
    machine = system.machine
    machine.linger("artac")
    lines = "".join(f"{n}={v}\n" for n, v in WITHOUT_KEY.items())
    machine.path("/etc/artac/artac.env").write_text(f"{lines}PERSIST_CLAUDE_SESSIONS={persist}\n")
    try:
        cursor = machine.journal_cursor()
        place = give(system)
        if give is _environment_file:
            system.configure(ANTHROPIC_API_KEY=KEY, PERSIST_CLAUDE_SESSIONS=persist)
        system.start()
        session = system.run("hello")["id"]
        system.wait(session, "idle")
        shown = system.status(session)
        environment = machine.path(f"/proc/{shown['claude']['pid']}/environ").read_bytes()
        assert f"ANTHROPIC_API_KEY={KEY}".encode() in environment.split(b"\0")
        assert b"CREDENTIALS_DIRECTORY" not in environment
        assert system.ask(session, "is the key good?")
        login = next(
            line for line in system.artac("doctor", check=False).stdout.splitlines()
            if "login" in line
        )  # fmt: skip
        assert login.startswith("ok") and f"ANTHROPIC_API_KEY from {place}" in login
        everywhere = [
            machine.ns("systemctl", "show", "artac.service").stdout,
            machine.ns("systemctl", "cat", "artac.service").stdout,
            machine.ns("ps", "-e", "-o", "args").stdout,
            machine.ns("journalctl", "--output=export", f"--since=@{cursor / 1e6:.6f}").stdout,
            machine.ns("cat", f"/proc/{shown['keeper']['pid']}/cmdline").stdout,
            machine.ns("sh", "-c", "cd /var/lib/artac && cat lock sessions/*/*[!k]").stdout,
            system.artac("config").stdout,
            system.artac("status", "--json", session).stdout,
            login,
        ]
        for text in everywhere:
            assert text is not None and "a-secret-of-this-test" not in text
        assert "hello" in everywhere[5], "the state directory was read"
    finally:
        system.drop_in("key", "")
        machine.ns("rm", "-f", "/etc/artac/.env", "/etc/artac-key")


def test_a_credential_that_is_no_key_refuses_the_start(system: Way) -> None:
    system.configure()
    system.drop_in("key", "[Service]\nSetCredential=anthropic-api-key:two words\n")
    try:
        assert system.systemctl("start", system.unit, check=False).returncode != 0
        assert system.show("ExecMainStatus") == "78"
        assert "systemd credential anthropic-api-key: it is empty or has" in system.log()
        assert "two words" not in system.log()
    finally:
        system.drop_in("key", "")
