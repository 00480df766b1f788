"""Fixtures: the loopback API in a machine, and an artac in each of the three ways."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.machine import Machine
from tests.support.way import API_UNIT, CLAUDE_ENVIRONMENT, Way, start_api


@pytest.fixture(scope="module")
def api(machine: Machine) -> Iterator[Machine]:
    """The machine, with the loopback API served in it."""
    start_api(machine)
    yield machine
    machine.systemctl("stop", API_UNIT)


@pytest.fixture(scope="module")
def users(api: Machine) -> Iterator[Machine]:
    """The machine with the accounts alice and bob, both lingering."""
    names = ("alice", "bob")
    for name in names:
        api.add_user(name)
    yield api
    for name in names:
        api.run(["loginctl", "disable-linger", name])
        api.systemctl("stop", f"user@{api.uid(name)}.service")
        api.run(["userdel", "--remove", name], check=False)


def make_way(machine: Machine, kind: str) -> Way:
    """artac as `system`, `template` (artac@alice) or `user` (alice's own)."""
    if kind == "system":
        return Way(machine, "artac", "artac.service", user_unit=False)
    if kind == "template":
        return Way(machine, "alice", "artac@alice.service", user_unit=False)
    return Way(machine, "alice", "artac.service", user_unit=True)


def answer_first_questions(way: Way) -> None:
    """Give its account a home where Claude is at its prompt at once."""
    key = CLAUDE_ENVIRONMENT["ANTHROPIC_API_KEY"]
    answered = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [key[-20:]]},
        "projects": {str(way.work): {"hasTrustDialogAccepted": True}},
    }
    command = ["sh", "-c", "cat >.claude.json"]
    home = way.machine.home(way.account)
    way.machine.run(command, user=way.account, input=json.dumps(answered), cwd=home)


@pytest.fixture
def system(api: Machine) -> Iterator[Way]:
    """The machine's own artac; ended and emptied afterwards."""
    way = make_way(api, "system")
    yield way
    way.clean_up()


@pytest.fixture(params=["system", "template", "user"])
def way(request: pytest.FixtureRequest, users: Machine) -> Iterator[Way]:
    """Each of the three ways in turn; ended and emptied afterwards."""
    found = make_way(users, request.param)
    yield found
    found.clean_up()
