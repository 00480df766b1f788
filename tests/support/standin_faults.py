"""What the stand-in does wrong on request, and the tools it runs."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import standin_permissions
from standin_transcript import new_uuid

if TYPE_CHECKING:
    from standin_session import Standin
    from standin_shapes import Turn


def misbehave(host: Standin, turn: Turn) -> None:
    word, _, rest = turn.text[1:].partition(" ")
    turn.answer = f"did: {turn.text}"
    if word == "exit":
        host.leave(int(rest))
    elif word == "signal":
        host.transcript.flush()
        if int(rest) not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(int(rest), signal.SIG_DFL)
        os.kill(os.getpid(), int(rest))
    elif word == "hang":
        turn.hung, turn.due = True, None
    elif word == "ask":  # for a permission, until it is interrupted
        host.state("requires_action")
        turn.due = None
    elif word == "ignore-term":
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    elif word == "ignore-eof":
        host.heed_eof = False
    elif word == "close-stdin":
        host.stdin_open = host.heed_eof = False
        os.close(0)
    elif word == "eat":
        host.eaten = bytearray(os.urandom(1 << 20) * int(rest))
    elif word == "flood":
        flood(int(rest))
    elif word == "slow":
        seconds, _, turn.answer = rest.partition(" ")
        turn.length = float(seconds)
        turn.answer = turn.answer or "slow answer"
        turn.due = turn.started + turn.length
    elif word == "stderr":
        os.write(2, f"{rest}\n".encode())
    elif word == "env":
        turn.answer = f"{rest}={os.environ.get(rest, '(unset)')}"
    elif word == "tool":
        run_tool(host, turn, rest)
    elif word == "permission":
        standin_permissions.use(host, turn, rest)
    elif word == "retry":
        standin_permissions.retry(host, turn, rest)
    elif word == "nohup":
        run_tool(host, turn, f"nohup {rest} >/dev/null 2>&1 </dev/null &")
    elif word == "doublefork":
        command = rest or "sleep 1000"
        run_tool(host, turn, f"(setsid {command} >/dev/null 2>&1 </dev/null &) &")


def flood(size: int) -> None:
    number = 0
    while size > 0:
        head = b'{"type":"stream_event","number":%d,"pad":"' % number
        room = min(size, 65536)
        if 0 < size - room < 64:
            room -= 64  # never leave a rest too small to be a line of its own
        data = head + b"x" * (room - len(head) - 3) + b'"}\n'
        size -= len(data)
        number += 1
        while data:
            data = data[os.write(1, data) :]


def run_tool(host: Standin, turn: Turn, command: str) -> None:
    host.replay_turn(turn)
    turn.tool_id, turn.due, turn.count = f"toolu_{new_uuid()}", None, 1
    use = {"type": "tool_use", "id": turn.tool_id, "name": "Bash"}
    host.say("assistant", [use | {"input": {"command": command}}])
    turn.count = 2
    turn.tool_out, write = os.pipe()
    files = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_DUP2, write, 2),
    ]
    # Its own session, as each Bash tool of the real one.
    turn.tool = os.posix_spawn(
        "/bin/sh", ["sh", "-c", command], os.environ, file_actions=files, setsid=True
    )
    os.close(write)
