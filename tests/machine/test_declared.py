"""Declared sessions as units: started, waited for, at their times, in both managers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.ways import make_way
from tests.support.backend import until
from tests.support.machine import Machine
from tests.support.way import Way, prompts


class Declaring:
    """A way with files in its sessions.d, and what they come to."""

    def __init__(self, way: Way) -> None:
        self.way = way
        system = way.unit == "artac.service" and not way.user_unit
        home = way.machine.home(way.account)
        self.directory = Path("/etc/artac" if system else f"{home}/.config/artac", "sessions.d")
        self._user = "root" if system else way.account
        self._dropped: list[str] = []

    def declare(self, name: str, text: str) -> None:
        script = 'umask 022; mkdir -p "$(dirname "$0")" && cat >"$0"'
        content = f"cwd: {self.way.work}\n{text}\n"
        path = str(self.directory / f"{name}.yaml")
        self.way.machine.run(["sh", "-c", script, path], user=self._user, input=content)

    def times(self, name: str, lines: str) -> str:
        """The timer of that session with a drop-in; its unit."""
        unit = f"artac-session@{name}.timer"
        kind = "user" if self.way.user_unit else "system"
        path = f"/etc/systemd/{kind}/{unit}.d/times.conf"
        self._dropped.append(str(Path(path).parent))
        self.way.machine.write(path, f"[Timer]\nOnCalendar=\nPersistent=no\n{lines}\n")
        self.way.systemctl("daemon-reload")
        return unit

    def property(self, unit: str, name: str) -> str:
        return self.way.systemctl("show", "--value", f"--property={name}", unit).stdout.strip()

    def ended_unit(self, unit: str) -> str:
        """How a run of that unit went, once it is over."""
        until(lambda: self.property(unit, "ActiveState") in ("inactive", "failed"), f"{unit} over")
        return self.property(unit, "Result")

    def said(self, unit: str) -> str:
        """What the commands of that unit have said in the journal."""
        field = "_SYSTEMD_USER_UNIT" if self.way.user_unit else "_SYSTEMD_UNIT"
        return "\n".join(e["MESSAGE"] for e in self.way.machine.journal(f"{field}={unit}"))

    def clean_up(self) -> None:
        way = self.way
        for kind in ("timer", "service"):
            way.systemctl("stop", f"artac-session@*.{kind}", check=False)
        way.systemctl("reset-failed", "artac-session@*.service", check=False)
        way.clean_up()
        way.machine.ns("rm", "-rf", str(self.directory), *self._dropped)
        way.systemctl("daemon-reload")


@pytest.fixture(params=["system", "user"])
def declaring(request: pytest.FixtureRequest, users: Machine) -> Iterator[Declaring]:
    found = Declaring(make_way(users, request.param))
    found.way.configure()
    yield found
    found.clean_up()


def test_a_unit_is_active_as_long_as_its_session(declaring: Declaring) -> None:
    way, unit = declaring.way, "artac-session@talk.service"
    declaring.declare("talk", "")
    way.start()
    way.systemctl("start", unit)
    until(lambda: "started " in declaring.said(unit), "it is started")
    way.wait("talk", "idle")
    assert way.ask("talk", "hello") == "echo: hello"
    assert declaring.property(unit, "ActiveState") == "active"
    # Its processes are the session's, and not in this unit.
    pid = way.status("talk")["claude"]["pid"]
    assert "artac-session@" not in way.machine.read_bytes(f"/proc/{pid}/cgroup").decode()
    way.systemctl("stop", unit)
    assert way.status("talk")["end"]["reason"] == "stopped"
    assert declaring.ended_unit(unit) == "success"


def test_a_timer_runs_it_and_its_reply_stays_out_of_the_journal(declaring: Declaring) -> None:
    way, unit = declaring.way, "artac-session@timed.service"
    declaring.declare("timed", "prompt: the word of the night is plover")
    way.start()
    cursor = way.machine.journal_cursor()
    before = prompts(way.machine).get("the word of the night is plover", 0)
    timer = declaring.times("timed", "OnActiveSec=1s\nAccuracySec=10ms")
    way.systemctl("start", timer)
    way.machine.wait_journal("ARTAC_EVENT=ended", "ARTAC_NAME=timed", after=cursor)
    assert declaring.ended_unit(unit) == "success"
    assert declaring.property(unit, "ExecMainStatus") == "0"
    assert prompts(way.machine)["the word of the night is plover"] == before + 1
    assert way.status("timed")["end"]["reason"] == "stopped"
    assert "started " in declaring.said(unit) and "plover" not in declaring.said(unit)
    logs = way.artac("logs", "timed").stdout
    assert "echo: the word of the night is plover" in logs


def test_a_timer_leaves_a_run_that_is_at_work_alone(declaring: Declaring) -> None:
    way, unit = declaring.way, "artac-session@busy.service"
    declaring.declare("busy", "prompt: 'slow: 50 and steady'")
    way.start()
    way.artac("start", "busy")
    before = way.status("busy")["id"]
    way.systemctl("start", declaring.times("busy", "OnActiveSec=1s\nAccuracySec=10ms"))
    until(lambda: "runs already" in declaring.said(unit), "the timer has fired")
    assert declaring.ended_unit(unit) == "success"
    sessions = json.loads(way.artac("ls", "--json").stdout)
    assert [session["id"] for session in sessions] == [before]
    assert sessions[0]["end"] is None


def test_a_turn_that_fails_is_a_unit_that_fails(declaring: Declaring) -> None:
    way, unit = declaring.way, "artac-session@fails.service"
    declaring.declare("fails", "prompt: 'error: 400'")
    way.start()
    way.systemctl("start", unit)
    assert declaring.ended_unit(unit) == "exit-code"
    assert declaring.property(unit, "ExecMainStatus") == "10"
    assert way.status("fails")["end"]["reason"] == "stopped"
    way.stop()
    way.systemctl("reset-failed", unit)
    way.systemctl("start", unit)
    declaring.ended_unit(unit)
    # Nobody starts a daemon that was stopped.
    assert declaring.property(unit, "ExecMainStatus") == "7"


def test_one_comes_with_the_backend_and_persists_by_its_own_word(declaring: Declaring) -> None:
    way = declaring.way
    way.machine.linger(way.account)
    declaring.declare("lives", "start: with-backend\npersist: true")
    declaring.declare("ends", "start: with-backend\npersist: false")
    declaring.declare("broken", "start: sometimes")
    way.start()
    until(lambda: len(json.loads(way.artac("ls", "--json").stdout)) == 2, "both run")
    way.wait("lives", "idle")
    way.wait("ends", "idle")
    lives, ends = way.status("lives"), way.status("ends")
    assert (lives["placement"], ends["placement"]) == ("scope", "service")
    assert way.scopes() == [f"artac-session-{lives['id']}.scope"]
    way.systemctl("restart", way.unit)
    until(lambda: len(json.loads(way.artac("ls", "--json").stdout)) == 2, "both run again")
    way.wait("ends", "idle")
    assert way.status("lives")["claude"] == lives["claude"]
    assert way.status("ends")["id"] != ends["id"]
    assert "broken.yaml:2: start: found 'sometimes'" in way.log()
    doctor = way.artac("doctor", check=False)
    assert doctor.returncode == 1 and "broken.yaml:2" in doctor.stdout


def test_saving_where_only_an_administrator_may_write(system: Way) -> None:
    system.configure()
    system.start()
    refused = system.artac("run", "--save", "kept", "hello", check=False)
    assert refused.returncode == 5 and refused.stderr.count("\n") == 1
    assert "/etc/artac/sessions.d" in refused.stderr and "administrator" in refused.stderr
    assert json.loads(system.artac("ls", "--json").stdout) == []
    declaring = Declaring(system)
    try:
        declaring.declare("kept", refused.stdout.replace(f"cwd: {system.work}\n", ""))
        assert system.artac("start", "--wait", "kept").stdout == "echo: hello\n"
    finally:
        declaring.clean_up()


def test_saving_for_oneself(users: Machine) -> None:
    alice = make_way(users, "user")
    declaring = Declaring(alice)
    alice.configure()
    alice.start()
    try:
        saved = alice.artac("run", "--save", "kept", "--wait", "hello")
        assert saved.stdout == "echo: hello\n"
        mode = users.ns("stat", "-c", "%a %U", str(declaring.directory / "kept.yaml")).stdout
        assert mode.split() == ["600", "alice"]
        alice.artac("stop", "kept")
        assert alice.artac("start", "--wait", "kept").stdout == "echo: hello\n"
    finally:
        declaring.clean_up()
