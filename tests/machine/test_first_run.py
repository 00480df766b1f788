"""What the real Claude Code asks in a home of its own, as artac told before, and who answers it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyte
import pytest

from tests.support.backend import until
from tests.support.way import Way

HOME = "/var/lib/artac/first-run"
FILE = f"{HOME}/.claude.json"
TRUSTED, BESIDE = f"{HOME}/src", f"{HOME}/src-beside"
# A token instead of a key: with a key the first start is a connection that no machine here has.
ENVIRONMENT = ("--env", f"HOME={HOME}", "--env", "ANTHROPIC_AUTH_TOKEN=t", "--env")
TRUST_DIALOG = "Is this a project you created or one you trust?"


@pytest.fixture
def account(system: Way) -> Iterator[Way]:
    """The machine's artac, a home for Claude that is fresh, and two directories in it."""
    as_account = {"user": system.account}
    system.machine.run(["mkdir", "-p", f"{TRUSTED}/api", BESIDE], **as_account)
    system.configure(ARTAC_TRUSTED_DIRECTORIES=TRUSTED)
    system.start()
    yield system
    system.artac("kill", "--all", "--yes", check=False)
    system.machine.ns("rm", "-rf", HOME)


def set_up(way: Way, content: dict[str, Any]) -> None:
    command = ["sh", "-c", f"umask 077; cat >{FILE}"]
    way.machine.run(command, user=way.account, input=json.dumps(content))


def recorded(way: Way) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(way.machine.ns("cat", FILE).stdout)
    return content


def start(way: Way, cwd: str, name: str) -> str:
    """What `artac run -t` tells on standard error."""
    options = ("--name", name, "--cwd", cwd, *ENVIRONMENT, "ANTHROPIC_API_KEY=")
    told = way.artac("run", "--terminal", *options)
    assert "started" in told.stdout
    return told.stderr


def shows(way: Way, name: str, text: str) -> str:
    """The screen, once that text is on it."""
    ref = way.status(name)["id"]

    def drawn() -> str:
        screen = pyte.Screen(80, 24)
        pyte.ByteStream(screen).feed(way.output(ref))
        found = " ".join(" ".join(screen.display).split())
        return found if text in found else ""

    return str(until(drawn, f"{text!r} is on the screen of {name}"))


def asked(way: Way, name: str) -> list[str]:
    return [question["dialog"] for question in way.status(name)["asks"]]


def test_a_fresh_home_is_told_of_and_its_dialogs_are_left_to_people(account: Way) -> None:
    told = start(account, BESIDE, "fresh")
    assert "has not been set up" in told and "are trusted" in told
    shows(account, "fresh", "Choose the text style")
    assert asked(account, "fresh") == ["onboarding", "trust"]
    assert "asks:" in account.artac("status", "fresh").stdout
    assert "projects" not in recorded(account)


def test_trust_is_answered_in_trusted_directories_and_nowhere_else(account: Way) -> None:
    set_up(account, {"hasCompletedOnboarding": True, "projects": {"/other": {"allowedTools": []}}})
    account.machine.run(["ln", "-s", BESIDE, f"{TRUSTED}/link"], user=account.account)

    assert start(account, f"{TRUSTED}/api", "inside") == ""
    assert TRUST_DIALOG not in shows(account, "inside", "❯")
    until(lambda: asked(account, "inside") == [], "it is at its prompt")
    projects = recorded(account)["projects"]
    assert projects[f"{TRUSTED}/api"]["hasTrustDialogAccepted"] is True
    assert projects["/other"] == {"allowedTools": []} and TRUSTED not in projects

    # By its real path this is not below a trusted directory.
    for name, cwd in (("beside", BESIDE), ("link", f"{TRUSTED}/link")):
        assert "are trusted" in start(account, cwd, name)
        shows(account, name, TRUST_DIALOG)
        assert asked(account, name) == ["trust"]
        refused = account.artac("interrupt", name, check=False)  # Escape would choose Exit
        assert refused.returncode == 6 and "trust" in refused.stderr, refused
        assert account.status(name)["state"] in ("starting", "running")
    assert not recorded(account)["projects"].get(BESIDE, {}).get("hasTrustDialogAccepted")


def test_a_damaged_file_is_left_and_told_of_by_doctor_and_run(account: Way) -> None:
    account.machine.run(["sh", "-c", f"echo '{{' >{FILE}"], user=account.account)
    told = start(account, TRUSTED, "damaged")
    assert "cannot use its configuration" in told and FILE in told
    shows(account, "damaged", "Configuration error")
    assert account.machine.ns("cat", FILE).stdout == "{\n"
    account.configure(HOME=HOME)
    account.systemctl("restart", account.unit)
    checks = json.loads(account.artac("doctor", "--json", check=False).stdout)
    (found,) = [check for check in checks if check["name"] == "terminal sessions"]
    assert found["status"] == "fail" and FILE in found["detail"] + found["fix"]
