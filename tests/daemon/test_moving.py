"""Moving and adopting where there is no systemd: refused, and the session goes on."""

from __future__ import annotations

import os

import pytest

from artac_daemon.keeper.wire import PROTOCOL
from tests.support.backend import ApiError, Backend
from tests.support.keeper_client import KeeperClient


def test_a_detached_session_has_nowhere_to_be_moved_to(backend: Backend) -> None:
    session = backend.run("first")
    for body, status in (({"on": True}, 409), ({"on": "yes"}, 400), ({}, 400), ({"of": 1}, 400)):
        with pytest.raises(ApiError) as caught:
            backend.call("POST", f"/v1/sessions/{session['id']}/persist", body)
        assert caught.value.status == status
    assert backend.ask(session["id"], "recall")["outcome"] == "success"
    shown = backend.show(session["id"])
    assert (shown["placement"], shown["persistent"]) == ("detached", False)


def test_nothing_is_adopted_without_systemd(backend: Backend) -> None:
    for body, status in (({"pid": os.getpid()}, 409), ({"pid": "1"}, 400), ({}, 400)):
        with pytest.raises(ApiError) as caught:
            backend.call("POST", "/v1/adopt", body)
        assert caught.value.status == status
    assert backend.list() == []


def test_a_keeper_without_a_cgroup_refuses_to_be_moved(backend: Backend) -> None:
    session = backend.run("first")
    with KeeperClient(backend.state / "sessions" / session["id"]) as client:
        assert client.hello["protocol"] == list(PROTOCOL) and client.hello["cgroup"] is None
        for request in ({"op": "moving", "cgroup": "/x"}, {"op": "moved", "cgroup": "/x"}):
            assert client.ask({**request, "spec": {}})["error"] == "ended"
        assert client.ask({"op": "adopt", "process": {}})["error"] == "started"
    assert backend.ask(session["id"], "recall")["outcome"] == "success"
