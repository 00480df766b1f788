"""`artac attach` on real terminals, against a real backend and keeper."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.attached_client import AttachedClient
from tests.support.attached_terminal import (
    ESCAPE,
    LAUNCHED,
    PARSED,
    AttachedTerminal,
    start,
    stopped,
)
from tests.support.backend import Backend, until
from tests.support.pty_terminal import PtyTerminal

Attach = Callable[..., AttachedTerminal]

# What a screen ends with.
_DRAWN = b"\x1b[?2026l"


@pytest.fixture
def attach() -> Iterator[Attach]:
    made: list[AttachedTerminal] = []

    def make(backend: Backend, *words: str, **options: object) -> AttachedTerminal:
        made.append(AttachedTerminal(backend, *(words or ("attach", "api")), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for terminal in made:
        terminal.close()


@pytest.mark.parametrize("command", [LAUNCHED, PARSED], ids=["launched", "parsed"])
def test_the_screen_is_there_keys_arrive_and_the_terminal_comes_back(
    backend: Backend, attach: Attach, command: list[str]
) -> None:
    name = start(backend)
    terminal = attach(backend, command=command)
    terminal.shows("stand-in for claude")
    terminal.press("grüße\r")
    terminal.shows("you said: grüße")
    terminal.until(lambda: 2004 in terminal.model.modes, "the program's modes")
    assert terminal.detach() == 0
    terminal.assert_restored()
    assert f"[detached from {name} (api); artac attach api comes back]" in terminal.lines[-2]
    assert backend.show("api")["state"] != "ended"


def test_a_terminal_that_can_show_no_screen_is_told_what_it_can_do(
    backend: Backend, attach: Attach
) -> None:
    start(backend)
    terminal = attach(backend, environment={"TERM": "dumb"})
    assert terminal.wait() == 2
    assert b"TERM=dumb" in terminal.everything and b"artac screen api" in terminal.everything
    assert b"\x1b[" not in terminal.everything


def test_who_comes_back_after_a_restart_of_the_backend_has_the_same_screen(
    persistent: Backend, attach: Attach
) -> None:
    start(persistent)
    first = attach(persistent)
    first.press("hello\r")
    first.shows("you said: hello")
    persistent.restart()
    first.press("again\r")
    first.shows("you said: again")
    first.until(lambda: first.lines[5] == ">", "its prompt")
    seen = first.lines
    assert first.detach() == 0
    second = attach(persistent)
    second.until(lambda: second.lines == seen, f"the same screen: {seen}")
    assert second.model.cursor == (5, 2)
    assert second.detach() == 0


def test_not_a_byte_is_missing_when_the_backend_is_killed_in_a_flood(
    persistent: Backend, attach: Attach
) -> None:
    name = start(persistent)
    terminal = attach(persistent, draws=False)
    terminal.waits_for(_DRAWN)
    begun = len(terminal.everything)
    held = len(persistent.output(name))
    terminal.press("!flood 50000000\r")
    terminal.until(lambda: len(terminal.everything) > 5_000_000, "some of it")
    persistent.kill()
    # It comes back in the midst of it, while somebody looks on.
    with ThreadPoolExecutor() as pool:
        started = pool.submit(persistent.start)
        terminal.until(started.done, "the backend is back")
    started.result()
    assert len(terminal.everything) - begun < 45_000_000
    terminal.waits_for(b"you said: !flood 50000000\r\n> ", begun)
    terminal.until(
        lambda: persistent.output(name)[held:] == terminal.everything[begun:],
        "all of it in the file",
    )
    assert len(terminal.everything) - begun > 50_000_000
    assert terminal.detach() == 0
    assert b"passed over" not in terminal.everything[-2000:]


def test_windows_of_two_sizes_each_show_it_right(backend: Backend, attach: Attach) -> None:
    start(backend)
    large = attach(backend)
    large.shows("stand-in for claude")
    small = attach(backend, columns=50, rows=12)
    small.shows("size: 50x12")
    large.shows("size: 50x12")
    small.press("wide and narrow\r")
    small.shows("you said: wide and narrow")
    small.until(lambda: small.lines[small.model.cursor[0]] == ">", "its prompt")
    large.until(lambda: large.lines[:12] == small.lines, "the same, with a margin")
    assert not any(large.lines[12:]) and large.model.alternate
    large.until(lambda: large.model.cursor == small.model.cursor, "its cursor")
    large.press("typed there\r")
    small.shows("you said: typed there")
    small.resize(40, 10)
    large.shows("size: 40x10")
    small.shows("size: 40x10")
    small.until(lambda: small.lines[7] == ">", "its prompt")
    large.until(lambda: large.lines[:10] == small.lines, "the same after a change of size")
    assert small.detach() == 0
    small.assert_restored()
    # Alone again, it has the whole terminal, and its bytes as they are.
    large.shows("size: 80x24")
    large.until(lambda: not large.model.alternate, "the program's own screen")
    large.press("alone\r")
    large.shows("you said: alone")
    assert large.detach() == 0
    large.assert_restored()


def test_a_window_that_is_not_to_count_sees_what_it_has_room_for(
    backend: Backend, attach: Attach
) -> None:
    start(backend)
    terminal = attach(backend, "attach", "--ignore-size", "api", columns=20, rows=6)
    terminal.shows("stand-in for claude")
    assert terminal.lines[0] == "stand-in for claude"
    for number in range(8):
        terminal.press(f"line {number}\r")
    terminal.shows("you said: line 7")
    terminal.until(lambda: terminal.lines[5] == ">", "the row of its cursor")
    terminal.press("x" * 30)
    terminal.until(lambda: terminal.lines[5] == "x" * 19, "the column of its cursor")
    assert backend.show("api")["id"]
    assert b"size:" not in backend.output(backend.show("api")["id"])
    # A window of the very size has the bytes as they are.
    terminal.resize(80, 24)
    terminal.until(lambda: not terminal.model.alternate, "the program's own screen")
    terminal.shows("stand-in for claude (no model)")
    assert terminal.detach() == 0
    terminal.assert_restored()


def test_a_stopped_client_holds_nothing_up(backend: Backend, attach: Attach) -> None:
    name = start(backend)
    slow, quick = attach(backend, draws=False), attach(backend, draws=False)
    for terminal in (slow, quick):
        terminal.waits_for(_DRAWN)
    os.kill(slow.process.pid, signal.SIGSTOP)
    until(lambda: stopped(slow.process.pid), "it is stopped")
    quick.press("!flood 3000000\r")
    quick.waits_for(b"you said: !flood")
    assert backend.list(ended=False)[0]["id"] == name
    held = len(backend.output(name))
    os.kill(slow.process.pid, signal.SIGCONT)
    quick.press("after it\r")
    slow.waits_for(b"you said: after it")
    assert len(backend.output(name)) > held
    os.kill(slow.process.pid, signal.SIGSTOP)
    until(lambda: stopped(slow.process.pid), "it is stopped")
    backend.call("POST", "/v1/sessions/api/kill")
    backend.wait("api")
    assert quick.wait() == 128 + signal.SIGKILL or quick.process.returncode == 143
    os.kill(slow.process.pid, signal.SIGCONT)
    assert slow.wait() == quick.process.returncode


def test_a_terminal_that_takes_nothing_gets_the_screen_when_it_does(
    make_backend: MakeBackend, attach: Attach
) -> None:
    """More than can be made up for is passed over, and that is said."""
    backend = make_backend(ARTAC_OUTPUT_MAX="256M").start()
    name = start(backend)
    terminal = attach(backend, draws=False)
    terminal.waits_for(_DRAWN)
    terminal.press("!flood 60000000\r")
    until(lambda: len(backend.output(name)) > 60_000_000, "the flood is over")
    terminal.press("after it\r")
    terminal.waits_for(b"you said: after it")
    assert len(terminal.everything) < 60_000_000
    terminal.press(f"{ESCAPE}d")
    assert terminal.wait() == 0
    assert b"of output were passed over; artac logs api" in terminal.everything[-2000:]


def test_a_head_of_the_output_that_is_gone_is_not_shown_as_zeros(
    make_backend: MakeBackend, attach: Attach
) -> None:
    backend = make_backend(ARTAC_OUTPUT_MAX="4M").start()
    name = start(backend)
    terminal = attach(backend, draws=False)
    terminal.waits_for(_DRAWN)
    terminal.press("!flood 20000000\r")
    until(lambda: len(backend.output(name)) > 20_000_000, "the flood is over")
    until(lambda: backend.output(name)[1_000_000:1_000_010] == bytes(10), "its head is dropped")
    terminal.press("after it\r")
    terminal.waits_for(b"you said: after it")
    assert b"\0" not in terminal.everything
    assert terminal.detach() == 0
    assert b"of output were passed over; artac logs api" in terminal.everything[-2000:]


def test_keys_get_through_while_it_floods(backend: Backend, attach: Attach) -> None:
    start(backend)
    terminal = attach(backend, draws=False)
    terminal.waits_for(_DRAWN)
    begun = len(terminal.everything)
    terminal.press("!flood 400000000\r")
    terminal.until(lambda: len(terminal.everything) > begun + 1_000_000, "some of it")
    assert terminal.detach() == 0
    assert len(terminal.everything) < 300_000_000
    backend.call("POST", "/v1/sessions/api/kill")


# Waits behind the first screen, until somebody opens a pipe: all of the rest is loaded after it.
_WAITS = """\
import sys
from artac_daemon.cli import entry
from artac_daemon.cli.terminal.first_screen import FirstScreen
show = FirstScreen.show
def waits(*arguments):
    show(*arguments)
    open({pipe!r}).close()
FirstScreen.show = waits
sys.exit(entry.main())
"""


def test_a_window_that_changes_while_it_attaches_is_heeded(
    backend: Backend, attach: Attach, tmp_path: Path
) -> None:
    start(backend)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    terminal = attach(backend, command=[sys.executable, "-c", _WAITS.format(pipe=str(pipe))])
    terminal.shows("stand-in for claude")
    terminal.resize(70, 20)
    os.close(os.open(pipe, os.O_WRONLY))
    terminal.shows("size: 70x20")
    assert terminal.detach() == 0


def test_a_window_beyond_all_measure_shows_what_there_is(backend: Backend, attach: Attach) -> None:
    """No program draws on more than 1000 columns or rows."""
    start(backend)
    terminal = attach(backend, columns=1500, rows=30, draws=False)
    terminal.waits_for(b"size: 1000x30")
    terminal.press("hello\r")
    terminal.waits_for(b"you said: hello")
    shown = backend.call("GET", "/v1/sessions/api/screen")["screen"]
    assert (shown["columns"], shown["rows"]) == (1000, 30)
    assert terminal.detach() == 0
    wide = backend.run(kind="terminal", size=[10000, 20], name="wide")
    until(lambda: b"> " in backend.output(wide["id"]), "its prompt")
    assert backend.call("GET", "/v1/sessions/wide/sizes")["sizes"] == [[0, 1000, 20]]


def test_a_storm_of_sizes_ends_at_the_last_one(backend: Backend, attach: Attach) -> None:
    start(backend)
    terminal = attach(backend)
    terminal.shows("stand-in for claude")
    for step in range(60):
        terminal.resize(40 + step, 10 + step % 20)
        terminal.read(0)
    terminal.resize(70, 20)
    terminal.shows("size: 70x20")
    terminal.press("calm\r")
    terminal.shows("you said: calm")
    terminal.until(lambda: terminal.lines[terminal.model.cursor[0]] == ">", "its prompt")
    seen = [line for line in terminal.lines if line]
    terminal.press(f"{ESCAPE}r")
    terminal.until(lambda: [line for line in terminal.lines if line] == seen, "the same anew")
    assert not terminal.model.alternate
    assert terminal.detach() == 0
    terminal.assert_restored()


_READER = """\
#!/usr/bin/python3 -I
import hashlib, os, sys, termios, time, tty
if "--version" in sys.argv:
    print("2.1.330 (Claude Code stand-in)")
    sys.exit()
tty.setraw(0)
size, seen = {size}, hashlib.sha256()
os.write(1, b"> ")
while size:
    data = os.read(0, size)
    seen.update(data)
    size -= len(data)
os.write(1, seen.hexdigest().encode())
os.read(0, 1)
"""


def test_a_paste_of_a_megabyte_arrives_whole(
    make_backend: MakeBackend, attach: Attach, tmp_path: Path
) -> None:
    pasted = "".join(f"line {number} ÄÖÜ \x1c d\r" for number in range(45_000))
    pasted = f"\x1b[200~{pasted}\x1b[201~"
    reader = tmp_path / "claude"
    reader.write_text(_READER.format(size=len(pasted.encode())))
    reader.chmod(0o755)
    backend = make_backend(CLAUDE_CODE_PATH=str(reader)).start()
    start(backend)
    terminal = attach(backend)
    terminal.shows(">")
    terminal.press(pasted)
    terminal.shows(hashlib.sha256(pasted.encode()).hexdigest()[:70])
    assert terminal.detach() == 0
    terminal.assert_restored()
    backend.call("POST", "/v1/sessions/api/kill")


def test_a_client_that_is_killed_leaves_the_session_alone(backend: Backend, attach: Attach) -> None:
    start(backend)
    first = attach(backend, columns=60, rows=20)
    first.shows("size: 60x20")
    first.process.kill()
    first.process.wait()
    second = attach(backend)
    second.shows("size: 80x24")
    assert second.detach() == 0


def test_who_steals_it_is_alone(backend: Backend, attach: Attach) -> None:
    name = start(backend)
    robbed = attach(backend)
    robbed.shows("stand-in for claude")
    thief = attach(backend, "attach", "--steal", "api", columns=100)
    assert robbed.wait() == 0
    assert f"[detached from {name} (api): taken over by " in robbed.text
    robbed.assert_restored()
    thief.shows("size: 100x24")
    assert thief.detach() == 0


def test_who_only_looks_types_nothing(backend: Backend, attach: Attach) -> None:
    start(backend)
    reader = attach(backend, "attach", "--read-only", "api")
    writer = attach(backend)
    for terminal in (reader, writer):
        terminal.shows("stand-in for claude")
    reader.press("not this\r")
    reader.press(f"{ESCAPE}?")
    reader.shows("d detach  r redraw")
    reader.press("x")
    reader.until(lambda: "d detach" not in reader.text, "the line is gone")
    writer.press("but this\r")
    reader.shows("you said: but this")
    assert "not this" not in reader.text
    assert reader.detach() == 0 and writer.detach() == 0


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        ("/exit", 0, "exit code 0"),
        ("!exit 7", 7, "exit code 7"),
        ("!signal 15", 143, "exit code 143"),
        ("!signal 9", 137, "signal SIGKILL"),
    ],
)
def test_the_sessions_end_is_the_exit_code(
    backend: Backend, attach: Attach, typed: str, code: int, said: str
) -> None:
    name = start(backend)
    terminal = attach(backend)
    terminal.shows("stand-in for claude")
    terminal.press(f"{typed}\r")
    assert terminal.wait() == code
    assert f"[session {name} (api) ended: {said}]" in terminal.text
    terminal.assert_restored()
    backend.wait(name)  # the keeper has told its clients first
    again = attach(backend)
    assert again.wait() == 3
    assert "has ended" in again.text


def test_all_it_said_last_is_shown_before_its_end(backend: Backend, attach: Attach) -> None:
    for words in (("attach", "api"), ("attach", "--ignore-size", "api")):
        name = start(backend)
        terminal = attach(backend, *words, columns=80, rows=24 if len(words) == 2 else 20)
        terminal.shows("stand-in for claude")
        terminal.press("!flood 200000\r/exit\r")
        assert terminal.wait() == 0
        # The bytes as they are; or the picture, after the program's screen has been left.
        assert b"you said: !flood 200000" in terminal.everything
        assert f"[session {name} (api) ended: exit code 0]" in terminal.lines[-2]
        terminal.assert_restored()
        backend.wait(name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_detaches_it(backend: Backend, attach: Attach, number: int) -> None:
    start(backend)
    terminal = attach(backend)
    terminal.shows("stand-in for claude")
    os.kill(terminal.process.pid, number)
    assert terminal.wait() == 0
    assert "[detached from" in terminal.text
    terminal.assert_restored()
    assert backend.list(ended=False)


def test_a_window_that_is_closed_detaches_it(backend: Backend, attach: Attach) -> None:
    start(backend)
    terminal = attach(backend)
    terminal.shows("stand-in for claude")
    terminal.hang_up()
    assert terminal.process.wait(timeout=20) == 0
    assert backend.list(ended=False)


def test_a_keeper_that_is_killed_is_told_of(persistent: Backend, attach: Attach) -> None:
    name = start(persistent)
    terminal = attach(persistent)
    terminal.shows("stand-in for claude")
    os.kill(persistent.show(name)["keeper"]["pid"], signal.SIGKILL)
    assert terminal.wait() == 12
    assert f"[the keeper of {name} (api) is gone; artac why api says" in terminal.text
    terminal.assert_restored()


def test_it_is_suspended_and_comes_back(backend: Backend, attach: Attach) -> None:
    start(backend)
    job = shlex.join([*LAUNCHED, "attach", "api"])
    shell = ["bash", "-c", f"set -m; {job}; echo it is stopped; stty -a | grep -o ' echo '; fg"]
    terminal = attach(backend, command=shell)
    terminal.shows("stand-in for claude")
    terminal.press(f"{ESCAPE}z")
    terminal.shows("it is stopped")
    terminal.press("back\r")
    terminal.shows("you said: back")
    assert terminal.detach() == 0
    assert b"suspended; fg comes back" in terminal.everything
    terminal.assert_restored()


def test_the_escape_key_can_be_sent_changed_and_switched_off(
    make_backend: MakeBackend, attach: Attach, tmp_path: Path
) -> None:
    shower = tmp_path / "claude"
    shower.write_text(
        "#!/usr/bin/python3 -I\nimport os, sys, tty\n"
        "if '--version' in sys.argv:\n    print('2.1.330')\n    sys.exit()\n"
        "tty.setraw(0)\nos.write(1, b'> ')\n"
        "while True:\n    os.write(1, b'(' + os.read(0, 64).hex().encode() + b')')\n"
    )
    shower.chmod(0o755)
    backend = make_backend(CLAUDE_CODE_PATH=str(shower)).start()
    start(backend)
    for words, keys, seen in (
        ((), "\x1c\x1c", "(1c)"),
        ((), "\x1cx", "(1c78)"),
        ((), "\x1b", "(1b)"),
        ((), "\x1b[92;5u\x1b[92;5u", "(1b5b39323b3575)"),
        (("--escape", "ctrl-a"), "\x1c", "(1c)"),
        (("--escape", "^A"), "\x01\x01", "(01)"),
    ):
        terminal = attach(backend, "attach", *words, "api")
        terminal.shows(">")
        before = terminal.text.count(seen)
        terminal.press(keys)
        terminal.until(lambda t=terminal, s=seen, b=before: t.text.count(s) > b, seen)
        terminal.press("\x01d" if words else "\x1b[92;5ud")
        assert terminal.wait() == 0
    terminal = attach(backend, "attach", "--escape", "none", "api")
    terminal.shows(">")
    terminal.press("\x1cd")
    terminal.shows("(1c64)")
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.wait() == 0
    backend.call("POST", "/v1/sessions/api/kill")


def test_without_a_terminal_it_says_what_to_use(backend: Backend) -> None:
    start(backend)
    for command in (LAUNCHED, PARSED):
        done = subprocess.run(
            [*command, "attach", "api"],
            env=backend.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "artac logs -f api" in done.stderr and "artac screen api" in done.stderr


@pytest.mark.parametrize("closed", [1, 2])
@pytest.mark.parametrize("words", [["attach", "nobody"], ["screen", "nobody"]], ids=" ".join)
def test_with_a_closed_descriptor_a_refusal_goes_nowhere_else(
    backend: Backend, words: list[str], closed: int
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}>&-', "sh", *LAUNCHED, *words],
        env=backend.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == (2 if words[0] == "attach" else 4)
    assert done.stdout == "" and done.stderr.count("\n") == 2 - closed


def test_what_cannot_be_attached_to_is_refused_in_a_line(backend: Backend, attach: Attach) -> None:
    backend.run("hello", name="headless")
    for words, code, said in (
        (("nobody",), 4, "nobody"),
        (("",), 2, "no session's id or name"),
        (("headless",), 2, "headless"),
        (("--lines", "x", "headless"), 2, "whole number"),
        (("--escape", "q", "headless"), 2, "no escape key"),
        ((), 2, "SESSION"),
    ):
        terminal = attach(backend, "attach", *words)
        assert terminal.wait() == code, terminal.text
        assert said in terminal.text.replace("\n", "")
        assert terminal.attributes() == terminal.saved
        assert b"\x1b" not in terminal.everything
    nobody = attach(backend, environment={"ARTAC_SOCKET": "/nonexistent/socket"})
    assert nobody.wait() == 7


def test_a_keeper_that_takes_nobody_in_leaves_the_terminal_as_it_was(
    backend: Backend, attach: Attach
) -> None:
    name = start(backend)
    everybody = [AttachedClient(backend, "api") for _ in range(48)]
    full = attach(backend)
    assert full.wait() == 9, full.text
    assert "all the clients that it may have" in full.text.replace("\n", "")
    everybody.pop().__exit__(None, None, None)
    attach(backend).shows("stand-in for claude")
    for client in everybody:
        client.__exit__(None, None, None)
    keeper = backend.show(name)["keeper"]["pid"]
    os.kill(keeper, signal.SIGSTOP)
    silent = attach(backend)
    assert silent.wait() == 7, silent.text
    assert f"the keeper of {name}" in silent.text.replace("\n", "")
    os.kill(keeper, signal.SIGCONT)
    for terminal in (full, silent):
        assert terminal.attributes() == terminal.saved
        assert b"\x1b" not in terminal.everything


def test_run_on_a_terminal_is_in_it_from_the_first_byte_on(
    backend: Backend, attach: Attach
) -> None:
    for words in (("run", "-t", "--name", "one"), ("run", "--name", "two")):
        terminal = attach(backend, *words, columns=90, rows=20, command=PARSED)
        terminal.shows("> ".strip())
        terminal.press("hello\r")
        terminal.shows("you said: hello")
        name = words[-1]
        session = backend.show(name)
        assert f"started {session['id']} ({name})" in terminal.text
        assert terminal.detach() == 0
        assert backend.output(session["id"]) in terminal.everything
        assert b"size:" not in backend.output(session["id"])
        terminal.assert_restored()


def test_run_can_stay_out_of_the_terminal(backend: Backend, attach: Attach) -> None:
    terminal = attach(backend, "run", "-d", "--name", "there", columns=91, command=PARSED)
    assert terminal.wait() == 0
    assert "started" in terminal.text and b"\x1b" not in terminal.everything
    done = subprocess.run(
        [*PARSED, "run", "-t", "--name", "here"],
        env=backend.environment(),
        cwd=backend.work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and done.stdout.startswith("started ")
    assert {session["kind"] for session in backend.list()} == {"terminal"}


@pytest.mark.parametrize("command", [LAUNCHED, PARSED], ids=["launched", "parsed"])
def test_a_session_is_not_attached_to_itself(backend: Backend, command: list[str]) -> None:
    name = start(backend)
    own = {"ARTAC_SESSION": name, "ARTAC_NAME": "api"}
    for said in (name, "api", name[:4]):
        terminal = PtyTerminal([*command, "attach", said], {**backend.environment(), **own})
        try:
            assert terminal.wait() == 6
            assert "this is session" in terminal.text
        finally:
            terminal.close()
    assert backend.show(name)["state"] != "ended"
