"""The page of metrics follows what happens, and its port serves nothing else."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.backend import ApiError, Backend, until

MakeBackend = Callable[..., Backend]
Page = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(backend: Backend) -> Page:
    """Every sample by name and labels, as an independent parser reads the page."""
    with backend.connection() as connection:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        assert response.status == 200
        assert response.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        return read(response.read().decode())


def read(text: str) -> Page:
    page: Page = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation and family.type in ("counter", "gauge"), family.name
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in page, f"{key} is there twice"
            page[key] = sample.value
    return page


def value(page: Page, metric: str, /, **labels: str) -> float:
    return page[metric, tuple(sorted(labels.items()))]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_the_page_follows_a_sessions_life(backend: Backend) -> None:
    page = scrape(backend)
    assert value(page, "artac_sessions", state="idle", placement="detached") == 0
    assert value(page, "artac_sessions_started_total") == 0
    assert value(page, "artac_backend_starts_total") == 1
    session = backend.run("hello", name="api")
    backend.turn(session["id"], session["prompt"])
    backend.wait("api", "idle")  # its result is not the last that a turn writes
    which = {"session": session["id"], "name": "api"}
    page = scrape(backend)
    assert value(page, "artac_sessions", state="idle", placement="detached") == 1
    assert value(page, "artac_sessions_started_total") == 1
    assert value(page, "artac_session_turns_total", **which) == 1
    assert value(page, "artac_session_processes", **which) == 2
    assert value(page, "artac_session_memory_bytes", **which) > 1024 * 1024
    written = len(backend.output(session["id"]))
    assert value(page, "artac_session_output_bytes_total", **which) == written
    backend.ask("api", "more")
    backend.wait("api", "idle")
    more = value(scrape(backend), "artac_session_output_bytes_total", **which)
    assert written < more == len(backend.output(session["id"]))
    backend.call("POST", "/v1/sessions/api/stop")
    page = scrape(backend)
    assert value(page, "artac_sessions_ended_total", reason="stopped") == 1
    assert value(page, "artac_stops_total", why="stop") == 1
    assert value(page, "artac_sessions_kept") == 1
    assert ("artac_session_turns_total", tuple(sorted(which.items()))) not in page


def test_messages_that_wait_are_counted_until_claude_takes_them_up(backend: Backend) -> None:
    session = backend.run("!slow 60", name="busy")
    backend.wait("busy", "working")
    which = {"session": session["id"], "name": "busy"}
    until(lambda: value(scrape(backend), "artac_session_input_queue", **which) == 0, "its prompt")
    for number in range(3):
        backend.send("busy", f"wait {number}")
    assert value(scrape(backend), "artac_session_input_queue", **which) == 3
    backend.call("POST", "/v1/sessions/busy/interrupt")
    until(lambda: value(scrape(backend), "artac_session_input_queue", **which) == 0, "taken up")


def test_ends_are_counted_by_reason_over_restarts(persistent: Backend) -> None:
    exiting, killed, kept = (persistent.run() for _ in range(3))
    for session in (exiting, killed, kept):
        persistent.wait(session["id"], "idle")
    persistent.send(exiting["id"], "!exit 3")
    persistent.wait(exiting["id"])
    assert value(scrape(persistent), "artac_sessions_ended_total", reason="failed") == 1
    claude = persistent.show(killed["id"])["claude"]["pid"]
    persistent.kill()
    os.kill(claude, signal.SIGKILL)
    end = persistent.state / "sessions" / killed["id"] / "end"
    until(end.exists, "the end on disk")
    persistent.start()
    page = scrape(persistent)
    # Since this backend started, with the end that came while none ran, once.
    assert value(page, "artac_sessions_ended_total", reason="failed") == 0
    assert value(page, "artac_sessions_ended_total", reason="killed") == 1
    assert value(page, "artac_sessions_started_total") == 0
    assert value(page, "artac_sessions_adopted_total") == 1
    assert value(page, "artac_backend_starts_total") == 2


def test_a_start_that_fails_is_counted_and_is_no_session(backend: Backend, tmp_path: Path) -> None:
    broken = tmp_path / "claude"
    broken.write_text("#!/nowhere\n")
    broken.chmod(0o755)
    backend.stop()
    backend.settings["CLAUDE_CODE_PATH"] = str(broken)
    backend.start()
    with pytest.raises(ApiError):
        backend.run("hello")
    page = scrape(backend)
    assert value(page, "artac_session_start_failures_total") == 1
    assert value(page, "artac_sessions_started_total") == 0
    assert sum(v for (name, _), v in page.items() if name == "artac_sessions_ended_total") == 0


def test_who_follows_is_counted(backend: Backend) -> None:
    with backend.connection() as connection:
        connection.request("GET", "/v1/events?follow=1")
        connection.getresponse().read(1)
        assert value(scrape(backend), "artac_api_readers") == 1
    until(lambda: value(scrape(backend), "artac_api_readers") == 0, "the reader has gone")


def test_the_lag_of_the_event_loop_is_measured_where_a_watchdog_is(
    make_backend: MakeBackend,
) -> None:
    without = make_backend().start()
    lag = ("artac_event_loop_lag_seconds", ())
    assert lag not in scrape(without)
    watched = make_backend(WATCHDOG_USEC="100000").start()
    until(lambda: lag in scrape(watched), "a beat after the first")
    assert scrape(watched)[lag] >= 0


def test_many_scrapes_at_once_are_all_answered(backend: Backend) -> None:
    backend.run(name="api")
    pages: list[Page] = []
    threads = [threading.Thread(target=lambda: pages.append(scrape(backend))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pages) == 20
    assert all(value(page, "artac_sessions_started_total") == 1 for page in pages)


def test_a_query_is_refused(backend: Backend) -> None:
    with pytest.raises(ApiError) as refused:
        backend.call("GET", "/metrics?name=x")
    assert refused.value.status == 400


def test_the_loopback_port_has_the_page_and_nothing_else(make_backend: MakeBackend) -> None:
    port = free_port()
    backend = make_backend(ARTAC_METRICS_LISTEN=f"127.0.0.1:{port}").start()
    session = backend.run(name="api")

    def ask(method: str, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path)
        response = connection.getresponse()
        status, body = response.status, response.read().decode()
        connection.close()
        return status, body

    status, body = ask("GET", "/metrics")
    assert status == 200
    assert value(read(body), "artac_sessions_started_total") == 1
    for path in ("/", "/v1/health", "/v1/sessions", "/v1/events", f"/v1/sessions/{session['id']}"):
        assert ask("GET", path)[0] == 404
    assert ask("POST", "/metrics")[0] == 405
    assert ask("POST", "/v1/drain")[0] == 404
    assert backend.show("api")["state"] != "ended"


def test_without_the_setting_nothing_listens_on_tcp(backend: Backend) -> None:
    assert backend.process is not None
    inodes = set()
    for entry in os.scandir(f"/proc/{backend.process.pid}/fd"):
        target = os.readlink(entry.path)
        if target.startswith("socket:"):
            inodes.add(target[8:-1])
    tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    assert not inodes & {line.split()[9] for line in tables.splitlines() if ":" in line}


def test_a_port_in_use_refuses_the_start_before_anything_is_touched(
    make_backend: MakeBackend,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        backend = make_backend(ARTAC_METRICS_LISTEN=address)
        backend.start(ready=False)
        assert backend.process is not None and backend.process.wait(timeout=20) == 78
    (line,) = backend.log().splitlines()
    assert "metrics_listen" in line and address in line and "in use" in line


def test_an_address_that_others_could_reach_is_refused(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_METRICS_LISTEN="0.0.0.0:9464")
    backend.start(ready=False)
    assert backend.process is not None and backend.process.wait(timeout=20) == 78
    (line,) = backend.log().splitlines()
    assert "ARTAC_METRICS_LISTEN" in line and "loopback" in line
