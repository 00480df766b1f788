"""`artac top` on a real terminal, against a real backend."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator

import pytest

from tests.support.backend import Backend, until
from tests.support.pty_terminal import PtyTerminal

ARTAC = [sys.executable, "-m", "artac_daemon.cli.main"]
Top = Callable[..., PtyTerminal]


def environment(backend: Backend, **more: str) -> dict[str, str]:
    return {**backend.environment(), "LANG": "C.UTF-8", **more}


@pytest.fixture
def top(backend: Backend) -> Iterator[Top]:
    made: list[PtyTerminal] = []

    def start(*words: str, columns: int = 80, rows: int = 24, **environ: str) -> PtyTerminal:
        command = [*ARTAC, "top", "-d", "0.2", *words]
        made.append(PtyTerminal(command, environment(backend, **environ), columns, rows))
        return made[-1]

    yield start
    for terminal in made:
        terminal.close()


def names(terminal: PtyTerminal) -> list[str]:
    """The names in the table, from above."""
    head = next((at for at, line in enumerate(terminal.lines) if line.startswith("ID ")), None)
    rows = [] if head is None else terminal.lines[head + 1 : -1]
    return [row.split()[1] for row in rows if len(row.split()) > 1]


def assert_clean(terminal: PtyTerminal) -> None:
    """As the shell that started it needs it: modes, main screen, cursor."""
    assert terminal.attributes() == terminal.saved
    raw = terminal.raw
    assert raw.count(b"\x1b[?1049h") == raw.count(b"\x1b[?1049l") >= 1
    assert raw.rindex(b"\x1b[?1049l") > raw.rindex(b"\x1b[?1049h")
    # cnorm, and the keypad's application mode off again.
    assert raw.rindex(b"\x1b[?25h") > raw.rindex(b"\x1b[?25l")
    assert raw.rindex(b"\x1b[?1l") > raw.rindex(b"\x1b[?1h")
    assert b"Traceback" not in raw


def test_the_table_is_shown_sorted_scrolled_and_left(backend: Backend, top: Top) -> None:
    for name in ("beta", "alpha", "gamma"):
        backend.run(name=name)
        backend.wait(name, "idle")
    terminal = top("--sort", "name")
    terminal.until(lambda: names(terminal) == ["alpha", "beta", "gamma"], "the three by name")
    assert "3: 3 idle" in terminal.lines[0]
    assert "MEM" in terminal.text and "available" in terminal.lines[1]
    row = next(line for line in terminal.lines if "alpha" in line).split()
    assert row[2] == "idle" and row[3].endswith("M")
    # The machine's percentage needs a second sample; then it is a figure.
    terminal.until(lambda: "CPU -%" not in terminal.text, "a percentage")
    terminal.press("r")
    terminal.until(lambda: names(terminal) == ["gamma", "beta", "alpha"], "reversed")
    terminal.press("ra")
    terminal.until(lambda: names(terminal) == ["beta", "alpha", "gamma"], "the oldest first")
    terminal.press("?")
    terminal.shows("m memory")
    assert "q quit" in terminal.lines[23]
    backend.run(name="delta")
    terminal.until(lambda: "delta" in names(terminal), "the new one")
    assert max(map(len, terminal.lines)) <= 80
    terminal.press("q")
    assert terminal.wait() == 0
    assert_clean(terminal)


def test_more_sessions_than_lines_are_scrolled(backend: Backend, top: Top) -> None:
    for number in range(4):
        backend.run(name=f"s{number}")
    terminal = top("--sort", "name", rows=9)
    terminal.until(lambda: names(terminal) == ["s0", "s1", "s2"], "what fits")
    terminal.shows("1-3 of 4")
    terminal.press("\x1bOB")  # down, as a keypad in application mode sends it
    terminal.until(lambda: names(terminal) == ["s1", "s2", "s3"], "one further")
    terminal.press("\x1b[5~")
    terminal.until(lambda: names(terminal) == ["s0", "s1", "s2"], "a page back")
    terminal.press("\x1b")
    assert terminal.wait() == 0
    assert_clean(terminal)


def test_it_follows_the_size_of_the_terminal(backend: Backend, top: Top) -> None:
    backend.run(name="only")
    # So long a delay that nothing but the change of size itself can be what it follows.
    terminal = top("--delay", "60s")
    terminal.until(lambda: names(terminal) == ["only"], "the table")
    terminal.until(lambda: "CPU -%" not in terminal.text, "the second sample")
    assert "PLACEMENT" not in terminal.text
    terminal.resize(140, 30)
    terminal.shows("PLACEMENT")
    terminal.until(lambda: "keys" in terminal.lines[29], "the last line")
    terminal.resize(40, 10)
    terminal.until(lambda: "PLACEMENT" not in terminal.text and "only" in terminal.text, "narrow")
    terminal.until(lambda: "keys" in terminal.lines[9], "the last line")
    for columns, rows in ((12, 4), (3, 2), (1, 1), (80, 24)):
        terminal.resize(columns, rows)
        terminal.press(" h")
    terminal.until(lambda: names(terminal) == ["only"], "the table again")
    terminal.press("q")
    assert terminal.wait() == 0
    assert_clean(terminal)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGINT, 130),
    ],
)
def test_a_signal_leaves_the_terminal_clean(
    backend: Backend, top: Top, number: int, code: int
) -> None:
    terminal = top()
    terminal.shows("by cpu")
    assert terminal.attributes() != terminal.saved
    terminal.process.send_signal(number)
    assert terminal.wait() == code
    assert_clean(terminal)


def test_ctrl_c_leaves_the_terminal_clean(backend: Backend, top: Top) -> None:
    terminal = top()
    terminal.shows("by cpu")
    terminal.press("\x03")
    assert terminal.wait() == 130
    assert_clean(terminal)


def test_a_terminal_that_goes_away_ends_it(backend: Backend, top: Top) -> None:
    terminal = top()
    terminal.shows("by cpu")
    terminal.hang_up()
    assert terminal.process.wait(20) == -signal.SIGHUP


def test_stopped_and_continued_by_a_shell(backend: Backend) -> None:
    shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    terminal = PtyTerminal(shell, environment(backend, PS1="ready> ", HISTFILE=""))
    try:
        terminal.shows("ready>")
        terminal.press(f"{' '.join(ARTAC)} top -d 0.2\n")
        terminal.shows("by cpu")
        assert not terminal.attributes()[3] & termios.ECHO
        terminal.press("\x1a")
        terminal.shows("Stopped")
        assert terminal.attributes() == terminal.saved
        assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")
        terminal.resize(100, 30)
        before = len(terminal.raw)
        terminal.press("fg\n")
        terminal.until(lambda: b"\x1b[?1049h" in terminal.raw[before:], "the screen taken again")
        terminal.until(lambda: "keys" in terminal.lines[29], "the whole of the larger terminal")
        terminal.press("q")
        terminal.until(lambda: terminal.raw.endswith(b"ready> "), "the shell again")
        assert_clean(terminal)
        terminal.press("exit\n")
        assert terminal.wait() == 0
    finally:
        terminal.close()


def test_a_backend_that_is_killed_and_started_again(persistent: Backend) -> None:
    persistent.run(name="stays")
    terminal = PtyTerminal([*ARTAC, "top", "-d", "0.2"], environment(persistent))
    try:
        terminal.until(lambda: names(terminal) == ["stays"], "the table")
        persistent.kill()
        terminal.shows("no daemon, trying again")
        assert names(terminal) == ["stays"]
        persistent.start()
        terminal.until(lambda: "no daemon" not in terminal.text, "a sample of the new one")
        assert names(terminal) == ["stays"]
        terminal.press("q")
        assert terminal.wait() == 0
        assert_clean(terminal)
    finally:
        terminal.close()


def test_a_stopped_daemon_does_not_stop_the_keys(backend: Backend, top: Top) -> None:
    terminal = top()
    terminal.shows("by cpu")
    assert backend.process is not None
    backend.process.send_signal(signal.SIGSTOP)
    try:
        terminal.shows("does not answer")
        terminal.press("n")
        terminal.press("h")
        terminal.shows("m memory")
        terminal.press("q")
        assert terminal.wait() == 0
    finally:
        backend.process.send_signal(signal.SIGCONT)
    assert_clean(terminal)


def test_an_answer_that_is_none_ends_it_with_one_line_on_a_clean_terminal(
    backend: Backend, top: Top
) -> None:
    terminal = top()
    terminal.shows("by cpu")
    backend.stop()
    backend.socket.unlink()
    with socket.socket(socket.AF_UNIX) as impostor:
        impostor.bind(str(backend.socket))
        impostor.listen()
        impostor.settimeout(20)
        while terminal.process.poll() is None:
            terminal.read(0.05)
            if select.select([impostor], [], [], 0.05)[0]:
                with impostor.accept()[0] as connection:
                    if connection.recv(65536):  # not one that only looks whether anybody listens
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]")
    assert terminal.wait() == 1
    assert_clean(terminal)
    after = terminal.raw.rpartition(b"\x1b[?1049l")[2]
    assert b"not JSON" in after and after.count(b"\n") == 1


def test_a_locale_without_the_characters_is_no_reason_to_fail(backend: Backend, top: Top) -> None:
    backend.run(name="a-name-with-more-letters-than-fit")
    # In such a locale ncurses uses xterm's REP, which pyte does not know; screen has none.
    terminal = top(columns=40, LC_ALL="C", TERM="screen-256color")
    terminal.until(lambda: "a-name-wit? idle" in terminal.text, "a name cut short, in ASCII")
    assert "NAME        STATE" in terminal.text
    terminal.press("q")
    assert terminal.wait() == 0
    assert_clean(terminal)


def artac(backend: Backend, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ARTAC, *words],
        env=environment(backend, **environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_printed_it_needs_no_terminal(backend: Backend) -> None:
    backend.run(name="api")
    done = artac(backend, "top", "-n", "2", "-d", "0.2")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.count("PLACEMENT") == 2 and done.stdout.count(" api ") == 2
    assert "\x1b" not in done.stdout
    piped = artac(backend, "top", "--json", "-n", "2", "-d", "0.2").stdout.splitlines()
    samples = [json.loads(line) for line in piped]
    assert len(samples) == 2 and samples[1]["at"] > samples[0]["at"]
    for sample in samples:
        assert sample["sessions"][0]["name"] == "api"
        assert sample["sessions"][0]["cpu_percent"] >= 0
        assert 0 <= sample["machine"]["cpu_percent"] <= 100


def test_what_is_no_terminal_is_told_in_one_line(backend: Backend, top: Top) -> None:
    done = artac(backend, "top")
    assert done.returncode == 2 and "top -n 1" in done.stderr and done.stderr.count("\n") == 1
    for kind in ("dumb", "no-such-terminal", ""):
        terminal = top(TERM=kind)
        assert terminal.wait() == 2
        assert b"artac top -n 1" in terminal.raw and terminal.raw.count(b"\n") == 1
        assert terminal.attributes() == terminal.saved
    backend.stop()
    terminal = top()
    assert terminal.wait() == 7 and b"\x1b" not in terminal.raw


@pytest.mark.parametrize(
    "words", [["-d", "0"], ["-d", "61"], ["-d", "x"], ["-s", "size"], ["-n", "0"], ["-n", "-1"]]
)
def test_wrong_options_are_told_in_one_line(backend: Backend, words: list[str]) -> None:
    done = artac(backend, "top", *words)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


def test_usage_counts_what_a_session_uses(backend: Backend) -> None:
    session = backend.run("!tool sleep 60", name="busy")
    until(lambda: any("sleep 60" in line for line in backend.leftovers()), "the tool")
    sample = backend.call("GET", "/v1/usage")
    (row,) = sample["sessions"]
    assert (row["id"], row["name"], row["kind"]) == (session["id"], "busy", "headless")
    assert row["memory_bytes"] > 1 << 20 and row["cpu_seconds"] > 0
    # The keeper, the stand-in, and its tool; no cgroup counts a detached session.
    assert row["tasks"] >= 3
    assert row["counted_by_process"] == ["memory", "tasks", "cpu"]
    assert row["memory_max_bytes"] is None and row["pressure"]["memory_some"] is None
    machine = sample["machine"]
    assert machine["cpus"] == os.cpu_count()
    assert 0 < machine["memory_available_bytes"] < machine["memory_total_bytes"]
    later = backend.call("GET", "/v1/usage")
    assert later["at"] > sample["at"]
    assert later["machine"]["cpu_seconds"] >= machine["cpu_seconds"]
    backend.call("POST", "/v1/sessions/busy/kill")
    assert backend.call("GET", "/v1/usage")["sessions"] == []
