"""The daemon's API, as a program that is no artac would use it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from typing import Any

SOCKET = "/run/artac/artac.sock"
WORK = os.path.expanduser("~/work")
PROMPT = "say one word"

_PATIENCE = 60.0


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def call(method: str, path: str, body: object = None) -> dict[str, Any]:
    """One request on a connection of its own; its answer's JSON."""
    connection = _Connection("artac", timeout=_PATIENCE)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        content: dict[str, Any] = json.loads(response.read())
    finally:
        connection.close()
    if response.status >= 400:
        raise RuntimeError(f"{method} {path}: {content['error']['message']}")
    return content


def run() -> str:
    """Start a session with a prompt; its id."""
    answer = call("POST", "/v1/sessions", {"cwd": WORK, "prompt": PROMPT})
    return str(answer["session"]["id"])


def running() -> list[str]:
    """The ids of all living sessions, oldest first."""
    return [session["id"] for session in call("GET", "/v1/sessions")["sessions"]]


def wait(session: str, state: str) -> None:
    """Return once the session is in that state."""
    answer = call("GET", f"/v1/sessions/{session}/wait?for={state}&wait={_PATIENCE:g}")
    if answer["session"]["state"] != state:
        raise RuntimeError(f"session {session} is {answer['session']['state']}, not {state}")


def remove(session: str) -> None:
    """End a session and forget it; returns when its cgroup, too, is gone."""
    cgroup = call("GET", f"/v1/sessions/{session}")["session"]["cgroup"]
    call("DELETE", f"/v1/sessions/{session}?force=1")
    deadline = time.monotonic() + _PATIENCE
    while cgroup and os.path.exists(cgroup):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the cgroup of session {session} does not go")
        time.sleep(0.005)
