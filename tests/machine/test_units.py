"""The shipped units: understood by systemd, and no more open than sessions need."""

from __future__ import annotations

import pytest

from tests.machine.ways import make_way
from tests.support.machine import Machine
from tests.support.way import Way

_UNITS = "/usr/lib/systemd"


def test_systemd_understands_every_line(machine: Machine) -> None:
    for unit in ("system/artac.service", "system/artac@alice.service"):
        path = f"{_UNITS}/{unit}"
        if "@alice" in unit:
            path = "/run/artac@alice.service"
            template = machine.path(f"{_UNITS}/system/artac@.service").read_text()
            machine.path(path).write_text(template)
        done = machine.ns("systemd-analyze", "verify", "--recursive-errors=no", path)
        assert done.stdout + done.stderr == ""
    for kind in ("system", "user"):
        for suffix in ("service", "timer"):
            template = machine.path(f"{_UNITS}/{kind}/artac-session@.{suffix}").read_text()
            machine.path(f"/run/artac-session@nightly.{suffix}").write_text(template)
        manager = ["--user"] if kind == "user" else []
        for suffix in ("service", "timer"):
            path = f"/run/artac-session@nightly.{suffix}"
            verify = ("systemd-analyze", *manager, "verify", "--recursive-errors=no", path)
            done = machine.ns("env", "XDG_RUNTIME_DIR=/run", *verify)
            assert done.stdout + done.stderr == "", (kind, suffix)
    for unit in ("artac.service", "artac.slice"):
        path = f"{_UNITS}/user/{unit}"
        verify = ("systemd-analyze", "--user", "verify", "--recursive-errors=no", path)
        done = machine.ns("env", "XDG_RUNTIME_DIR=/run", *verify)
        assert done.stdout + done.stderr == ""


@pytest.mark.parametrize(
    ("unit", "most"),
    [("artac.service", 45), ("artac@.service", 45), ("artac-session@.service", 10)],
)
def test_the_sandbox_is_no_looser_than_it_has_to_be(machine: Machine, unit: str, most: int) -> None:
    machine.ns(
        *("systemd-analyze", "security", "--offline=yes", f"--threshold={most}"),
        f"{_UNITS}/system/{unit}",
    )


def test_a_reload_takes_live_settings_and_names_the_others(system: Way) -> None:
    system.configure()
    system.start()
    drop_in = system.machine.path("/etc/artac/artac.yaml.d/50-test.yaml")
    try:
        drop_in.write_text("stop_grace: 3s\nmax_request: 1M\n")
        system.systemctl("reload", system.unit)
        settings = system.artac("config").stdout
        assert "50-test.yaml:1" in settings
        system.machine.wait_journal(contains="counts only after a restart: max_request")
        drop_in.write_text("stop_grace: forever\n")
        cursor = system.machine.journal_cursor()
        system.systemctl("reload", system.unit)
        refused = system.machine.wait_journal(contains="not changed", after=cursor)["MESSAGE"]
        assert "50-test.yaml:1" in refused and "forever" in refused
        assert "3s" in system.artac("config").stdout
        assert system.show("ActiveState") == "active"
    finally:
        drop_in.unlink()


def test_persistence_without_a_user_manager_is_refused_and_nothing_falls_back(system: Way) -> None:
    machine = system.machine
    machine.run(["loginctl", "disable-linger", "artac"])
    machine.systemctl("stop", f"user@{machine.uid('artac')}.service")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    assert system.systemctl("start", system.unit, check=False).returncode != 0
    assert system.show("ExecMainStatus") == "78"
    assert "loginctl enable-linger artac" in system.log().splitlines()[-1]
    machine.linger("artac")
    system.systemctl("reset-failed", system.unit)
    system.start()


def test_a_full_disk_is_told_and_loses_nothing(system: Way) -> None:
    machine = system.machine
    system.configure()
    system.start()
    kept = system.run("hello")
    system.wait(kept["id"], "idle")
    sessions = str(system.state / "sessions")
    held = system.status(kept["id"])
    # A small file system over where new sessions go; the running one has its files open below it.
    machine.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700,uid=artac", "full", sessions])
    try:
        machine.run(["sh", "-c", f"head -c 100k /dev/zero >{sessions}/filler || true"])
        refused = system.artac("run", "hello", check=False)
        assert refused.returncode == 1 and "No space left on device" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert [session.name for session in machine.path(sessions).iterdir()] == ["filler"]
    finally:
        machine.run(["umount", sessions])
    assert system.status(kept["id"])["claude"] == held["claude"]
    assert system.ask(kept["id"], "still there?") == "echo: still there?"


def test_the_journal_tells_a_sessions_life_and_no_word_of_what_was_said(system: Way) -> None:
    system.configure()
    system.start()
    session = system.run("--name", "told", "the secret is plover")
    system.wait("told", "idle")
    system.ask("told", "say xyzzy")
    system.artac("stop", "told")
    entries = system.machine.journal(f"ARTAC_SESSION={session['id']}")
    assert {"started", "stop", "ended"} <= {entry["ARTAC_EVENT"] for entry in entries}
    assert {entry["ARTAC_NAME"] for entry in entries} == {"told"}
    everything = "\n".join(entry["MESSAGE"] for entry in system.machine.journal())
    for secret in ("plover", "xyzzy", "sk-ant-none"):
        assert secret not in everything
    shown = system.systemctl("show", system.unit).stdout
    assert "sk-ant-none" not in shown


def test_other_users_see_and_reach_nothing(users: Machine) -> None:
    alice = make_way(users, "user")
    system = make_way(users, "system")
    alice.configure()
    system.configure()
    alice.start()
    system.start()
    try:
        for owner in (alice, system):
            session = owner.run("hello")
            owner.wait(session["id"], "idle")
            pid = str(owner.status(session["id"])["claude"]["pid"])
            socket = (
                "/run/artac/artac.sock"
                if owner is system
                else f"/run/user/{users.uid('alice')}/artac/artac.sock"
            )
            for verb in (["ls"], ["stop", session["id"]], ["logs", session["id"]]):
                tried = users.run(["artac", "--socket", socket, *verb], user="bob", check=False)
                assert tried.returncode in (5, 7), (verb, tried)
                assert session["id"] not in tried.stdout
            for command in (
                ["ls", str(owner.state / "sessions")],
                ["kill", "-TERM", pid],
                ["cat", f"/proc/{pid}/environ"],
            ):
                assert users.run(command, user="bob", check=False).returncode != 0, command
            assert owner.is_alive(int(pid))
    finally:
        alice.clean_up()
        system.clean_up()


def test_members_of_the_api_group_use_the_services_sessions(users: Machine) -> None:
    system = make_way(users, "system")
    system.configure()
    users.run(["gpasswd", "--add", "bob", "artac"])
    system.start()
    try:
        session = system.run("hello")
        listed = users.run(["artac", "ls"], user="bob")
        assert session["id"] in listed.stdout
        drained = users.run(["artac", "drain"], user="bob", check=False)
        assert system.status(session["id"])["state"] != "ended", drained
    finally:
        users.run(["gpasswd", "--delete", "bob", "artac"])
        system.clean_up()
