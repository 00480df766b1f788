"""status: the daemon's health, or all about one session."""

from __future__ import annotations

import argparse
import os
import time
from datetime import datetime
from typing import Any

from . import rendering
from .client import Client, account, session_path
from .doing import doing, spent
from .escapes import harmless
from .options import add_json


def status_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", nargs="?", metavar="SESSION")
    add_json(parser)


def status(options: argparse.Namespace) -> int:
    client = Client.of(options)
    if options.session is None:
        health = client.get("/v1/health")
        shown = rendering.json_text(health) if options.json else "\n".join(_health(health))
    else:
        session = client.get(session_path(options.session))["session"]
        if options.json:
            shown = rendering.json_text(session)
        else:
            host = str(client.get("/v1/health")["account"]) if session["unit"] else ""
            shown = "\n".join(_session(session, host, time.time()))
    print(shown)
    return 0


def _health(health: dict[str, Any]) -> list[str]:
    counts = health["sessions"]
    states = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    rows = [
        ("artacd", f"{health['version']}, pid {health['pid']}, account {health['account']}"),
        ("state", "stopping: its sessions are being ended" if health["draining"] else "ready"),
        ("sessions", f"{sum(counts.values())}" + (f" ({states})" if states else "")),
        *([("queued", f"{queued} waiting to start")] if (queued := health.get("queued")) else []),
        ("new sessions", _fate(health["placement"], health["persist_claude_sessions"])),
        ("state directory", health["state_directory"]),
    ]
    return rendering.fields(rows)


def _fate(placement: str, persistent: bool) -> str:
    fate = "live on when the daemon stops" if persistent else "end with the daemon"
    return f"{placement}; they {fate}"


def _session(session: dict[str, Any], host: str, now: float) -> list[str]:
    state = rendering.state(session)
    if not session["end"]:
        state += f" for {rendering.age(now - session['state_since'])}"
    rows = [
        ("session", f"{session['id']} ({session['name']})"),
        ("state", state),
        *(("asks", harmless(asked["sentence"])) for asked in session.get("asks") or ()),
        *_end(session),
        *_succession(session),
        ("mode", session["kind"]),
        ("placement", _fate_of(session)),
        ("directory", rendering.path(session["cwd"])),
        ("started", f"{_moment(session['created_at'])} by {session['created_by'] or 'unknown'}"),
        *_unit(session, host),
        *_asked(session),
        *_optional("arguments", " ".join(session["claude_args"])),
        *_optional("variables", " ".join(session["env_names"])),
        *_optional("conversation", session["claude_session_id"]),
        *_turns(session),
        *doing(session, now),
        *_optional("output", _output(session["output"]) if session["kind"] != "adopted" else ""),
        *_optional("memory", rendering.size(session["memory_bytes"]) if not session["end"] else ""),
        *_optional("limits", _limits(session["limits"])),
    ]
    return [*rendering.fields(rows), *_processes(session, now)]


def _fate_of(session: dict[str, Any]) -> str:
    fate = "lives on when the daemon stops" if session["persistent"] else "ends with the daemon"
    return f"{session['placement']}; {fate}"


def _end(session: dict[str, Any]) -> list[tuple[str, str]]:
    end, asked = session["end"], session["stop"]
    if end:
        return [("ended", f"{_moment(end['at'])}: {end['sentence']}")]
    if asked:
        return [("asked to end", f"{_moment(asked['at'])} by {asked['by']} ({asked['why']})")]
    return []


def _succession(session: dict[str, Any]) -> list[tuple[str, str]]:
    from .resuming import cut_off, in_words

    rows = _optional("resumes", session.get("resumes") or "")
    rows += _optional("resumed as", session.get("resumed_as") or "")
    if cut := session.get("interrupted"):
        rows.append(("interrupted", harmless(cut_off(cut))))
    if session.get("restart"):
        rows.append(("restarts", harmless(in_words(session))))
    return rows


def _unit(session: dict[str, Any], host: str) -> list[tuple[str, str]]:
    if session["unit"] and not session["end"]:
        # root reaches another account's manager; for others only their own is in reach.
        machine = f" --machine={host}@.host" if os.getuid() == 0 and host != account() else ""
        return [("unit", f"{session['unit']}: systemctl --user{machine} status {session['unit']}")]
    return _optional("cgroup", session["cgroup"] or "")


def _limits(limits: dict[str, Any] | None) -> str:
    if limits is None:
        return ""
    told = (
        f"{key}={value}" + (" (no effect here)" if key in limits["without_effect"] else "")
        for key, value in limits["values"].items()
        if value != "infinity"
    )
    return ", ".join(told)


def _asked(session: dict[str, Any]) -> list[tuple[str, str]]:
    if session["kind"] == "adopted":
        return [("input, output", "where they were before it was adopted")]
    model = session["model"] or "Claude's default"
    return [("model", model), ("permissions", _permissions(session))]


def _permissions(session: dict[str, Any]) -> str:
    told = str(session["permission_mode"])
    for key, word in (("allowed_tools", "allowed without asking"), ("denied_tools", "denied")):
        if tools := ", ".join(session.get(key, ())):
            told += f"; {word}: {tools}"
    return told


def _turns(session: dict[str, Any]) -> list[tuple[str, str]]:
    if session["kind"] != "headless":
        return []
    return [("turns", spent(session))]


def _output(held: dict[str, Any]) -> str:
    told = rendering.size(held["size"])
    if held["first"]:
        told += f", of which the first {rendering.size(held['first'])} were dropped"
    return f"{told} in {held['path']}"


def _optional(name: str, value: str) -> list[tuple[str, str]]:
    return [(name, value)] if value else []


def _processes(session: dict[str, Any], now: float) -> list[str]:
    found = session["processes"]
    if not found:
        return []
    heads = ("PID", "PARENT", "STATE", "AGE", "CPU", "MEM", "NAME")
    rows = [
        (
            str(process["pid"]),
            str(process["parent"]),
            process["status"],
            rendering.age(now - process["started_at"]),
            f"{process['cpu_seconds']:.1f}s",
            rendering.size(process["memory_bytes"]),
            harmless(process["name"]),
        )
        for process in found
    ]
    return ["", *rendering.table(heads, rows, rendering.terminal_width())]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
