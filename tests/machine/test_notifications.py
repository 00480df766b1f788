"""Notifications out of the shipped units: what their sandbox lets a program do, and a real bus."""

from __future__ import annotations

import json
import re

from tests.machine.ways import api, make_way, system, users  # noqa: F401
from tests.support import cache
from tests.support.backend import until
from tests.support.machine import Machine
from tests.support.way import Way

SECRET = "a-secret-of-this-machine-0123"
_PROGRAM, _RECEIVER, _SECRET_FILE = "/usr/local/bin/tell-me", "receiver.service", "/etc/told-secret"
_PORT = 8799

# Each line of `words` is something that the page says of the sandbox.
TELL = """#!/bin/sh
cd "$HOME" || exit 1
cat >told.new
{
    id -un
    artac status --json "$ARTAC_EVENT_SESSION" >/dev/null && echo asked
    touch /etc/told /usr/told 2>/dev/null || echo read-only
    grep NoNewPrivs: /proc/self/status | tr -d '\\t'
    [ "$(ls /dev/sd* /dev/vd* /dev/kvm 2>/dev/null)" ] || echo no-devices
    env | grep -c -e ANTHROPIC -e CREDENTIALS -e NOTIFY_SOCKET
} >words
mv told.new told
"""


def test_the_system_service_tells_a_program_and_posts_signed(system: Way) -> None:  # noqa: F811
    machine = system.machine
    page = (cache.PROJECT / "docs/notifications.md").read_text()
    (receiver,) = re.findall(r"```python\n(.*?)```", page, re.S)
    machine.write("/root/receiver.py", receiver)
    machine.write(_PROGRAM, TELL)
    machine.ns("chmod", "755", _PROGRAM)
    machine.run(["sh", "-c", f"umask 077; cat >{_SECRET_FILE}"], input=f"{SECRET}\n")
    system.drop_in("told", f"[Service]\nLoadCredential=notify-secret:{_SECRET_FILE}\n")
    taking = ("/usr/bin/python3", "/root/receiver.py", _SECRET_FILE, str(_PORT))
    machine.ns("systemd-run", "--quiet", f"--unit={_RECEIVER}", *taking)
    try:
        system.configure(
            ARTAC_NOTIFY_ON="ended",
            ARTAC_NOTIFY_COMMAND=_PROGRAM,
            ARTAC_NOTIFY_URL=f"http://127.0.0.1:{_PORT}/hook",
        )
        cursor = machine.journal_cursor()
        system.start()
        for name in ("notify_command", "notify_url"):
            assert re.search(rf"^ok +{name} ", system.artac("doctor", check=False).stdout, re.M)
        session = system.run("--name", "api", "hello")["id"]
        system.wait(session, "idle")
        system.artac("stop", session)
        machine.wait_journal(f"_SYSTEMD_UNIT={_RECEIVER}", contains="ended api ", after=cursor)
        told = machine.path("/var/lib/artac/told")
        until(told.exists, "the program's note")
        event = json.loads(told.read_text())
        assert event["session"] == session and event["reason"] == "stopped"
        assert event["account"] == "artac"
        words = machine.path("/var/lib/artac/words").read_text().split()
        assert words == ["artac", "asked", "read-only", "NoNewPrivs:1", "no-devices", "0"]
        everywhere = [
            machine.ns("journalctl", "--output=export", f"--since=@{cursor / 1e6:.6f}").stdout,
            system.artac("config").stdout,
            machine.ns("ps", "-e", "-o", "args").stdout,
        ]
        assert all(SECRET not in text for text in everywhere)
    finally:
        machine.systemctl("stop", _RECEIVER, check=False)
        system.drop_in("told", "")
        files = ("told", "words", "told.new")
        machine.ns("rm", "-f", _PROGRAM, _SECRET_FILE, *(f"/var/lib/artac/{n}" for n in files))


def test_a_users_own_service_tells_the_desktop(users: Machine) -> None:  # noqa: F811
    """No desktop is there; the bus has the call all the same."""
    way = make_way(users, "user")
    runtime = f"/run/user/{users.uid('alice')}"
    monitor = f"XDG_RUNTIME_DIR={runtime} exec busctl --user monitor org.freedesktop.Notifications"
    listening = ("systemd-run", "--quiet", "--unit=listening", "--uid=alice")
    cursor = users.journal_cursor()
    # Unbuffered into the journal, which can be waited for.
    users.ns(*listening, "/usr/bin/stdbuf", "-oL", "sh", "-c", monitor)
    try:
        users.wait_journal("_SYSTEMD_UNIT=listening.service", contains="onitoring", after=cursor)
        way.configure(ARTAC_NOTIFY_ON="ended")
        way.start()
        session = way.run("--name", "api", "hello")["id"]
        way.wait(session, "idle")
        way.artac("stop", session)
        users.wait_journal(
            "_SYSTEMD_UNIT=listening.service", contains="api has ended: stopped", after=cursor
        )
        assert "was not told" not in way.log()
    finally:
        users.systemctl("stop", "listening.service", check=False)
        way.clean_up()
