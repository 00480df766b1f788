"""What an operator sees under a real systemd: explained entries, metrics from cgroups, events."""

from __future__ import annotations

import http.client
import json
import os
import socket
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from artac_daemon.host.message_ids import MessageId
from tests.machine.ways import api, system  # noqa: F401
from tests.support.backend import until
from tests.support.way import Way


def explained(way: Way, *matches: str) -> str:
    """What `journalctl -x` prints for those entries."""
    way.machine.ns("journalctl", "--sync")
    command = ("journalctl", "--no-pager", "--quiet", "--output=short", "-x", *matches)
    return way.machine.ns(*command).stdout


def scrape(way: Way, folder: Path) -> dict[tuple[str, str], float]:
    """Samples of sessions and of what has no label, by name and session."""
    link = folder / "s"  # a socket's path may have 107 bytes only
    if not link.exists():
        link.symlink_to(f"/proc/{way.machine.leader}/root/run/artac/artac.sock")
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(os.fspath(link))
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {
        (sample.name, sample.labels.get("session", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_journalctl_explains_a_start_and_an_end(system: Way) -> None:  # noqa: F811
    system.machine.ns("journalctl", "--update-catalog")
    system.configure()
    system.start()
    session = system.run("--name", "told", "hello")
    ref = session["id"]
    system.wait("told", "idle")
    system.artac("stop", "told")
    text = explained(system, f"ARTAC_SESSION={ref}")
    assert f"Subject: Session {ref} (told) was started" in text
    assert f"Subject: Somebody asked to end session {ref} (told)" in text
    assert f"Subject: Session {ref} (told) has ended" in text
    assert f"`artac status {ref}` tells all that is known" in text
    assert text.count("Defined-By: artac") >= 3
    ready = explained(system, f"MESSAGE_ID={MessageId.READY.value}")
    assert "artacd answers on its socket" in ready


def test_a_refused_configuration_is_explained(system: Way) -> None:  # noqa: F811
    system.machine.ns("journalctl", "--update-catalog")
    system.configure(ARTAC_METRICS_LISTEN="0.0.0.0:9464")
    assert system.systemctl("start", system.unit, check=False).returncode != 0
    assert system.show("ExecMainStatus") == "78"
    text = explained(system, f"MESSAGE_ID={MessageId.REFUSED.value}")
    assert "ARTAC_METRICS_LISTEN" in text and "artacd --check-config" in text


def test_an_end_while_no_daemon_ran_is_explained_and_told(system: Way) -> None:  # noqa: F811
    system.machine.ns("journalctl", "--update-catalog")
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    session = system.run("--name", "alone", "hello")
    system.wait("alone", "idle")
    claude = system.status("alone")["claude"]["pid"]
    system.stop()
    cursor = system.machine.journal_cursor()
    system.machine.ns("kill", "-KILL", str(claude))
    system.machine.wait_journal(
        f"MESSAGE_ID={MessageId.ENDED_UNSEEN.value}", contains="no backend ran", after=cursor
    )
    text = explained(system, f"ARTAC_SESSION={session['id']}")
    assert f"Session {session['id']} (alone) ended while no daemon ran" in text
    system.start()
    for _ in range(2):
        events = [json.loads(line) for line in system.artac("events").stdout.splitlines()]
        ended = [event for event in events if event["event"] == "ended"]
        assert [(e["session"], e["reason"]) for e in ended] == [(session["id"], "killed")]
        system.systemctl("restart", system.unit)


def test_metrics_come_from_the_sessions_cgroup(system: Way, tmp_path: Path) -> None:  # noqa: F811
    system.configure()
    system.start()
    ref = system.run("hello")["id"]
    system.wait(ref, "idle")
    page = scrape(system, tmp_path)
    cgroup = system.machine.path(
        "/sys/fs/cgroup" + system.status(ref)["cgroup"].partition("/sys/fs/cgroup")[2]
    )
    stat = dict(line.split() for line in (cgroup / "cpu.stat").read_text().splitlines())
    cpu = page["artac_session_cpu_seconds_total", ref]
    assert 0 < cpu <= int(stat["usage_usec"]) / 1e6
    assert page["artac_session_memory_bytes", ref] > 10 * 1024 * 1024
    assert page["artac_session_processes", ref] >= 2
    if (cgroup / "memory.pressure").exists():
        assert 0 <= page["artac_session_pressure_ratio", ref] <= 1
    # No pids controller is delegated here: what is not counted is not there.
    assert (("artac_session_tasks", ref) in page) == (cgroup / "pids.current").exists()
    assert page["artac_sessions_started_total", ""] == 1
    system.artac("stop", ref)
    assert ("artac_session_cpu_seconds_total", ref) not in scrape(system, tmp_path)


def test_the_watchdogs_beat_gives_the_lag(system: Way, tmp_path: Path) -> None:  # noqa: F811
    system.drop_in("50-watchdog", "[Service]\nWatchdogSec=10\n")
    system.configure()
    try:
        system.start()
        lag = ("artac_event_loop_lag_seconds", "")
        until(lambda: lag in scrape(system, tmp_path), "a second beat", 90)
        assert 0 <= scrape(system, tmp_path)[lag] < 10
    finally:
        system.stop()
        system.drop_in("50-watchdog", "")
