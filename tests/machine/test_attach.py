"""The real Claude Code in a person's terminal, over all that may happen meanwhile."""

from __future__ import annotations

import itertools
import random
import signal
import string
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.machine.ways import answer_first_questions
from tests.support.backend import until
from tests.support.installed import lay
from tests.support.machine_terminal import MachineTerminal
from tests.support.way import Way, prompts

Open = Callable[..., MachineTerminal]


@pytest.fixture
def persistent(system: Way) -> Way:
    """The machine's own artac with persistent sessions, and a Claude that asks nothing first."""
    answer_first_questions(system)
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    return system


@pytest.fixture
def terminal(persistent: Way) -> Iterator[Open]:
    """Runs `artac` on a terminal of its own, as the account in its work directory."""
    opened: list[MachineTerminal] = []

    def start(*words: str, columns: int = 90, rows: int = 30) -> MachineTerminal:
        argv = ["artac", *words]
        made = MachineTerminal(
            persistent.machine, persistent.account, argv, persistent.work, columns, rows
        )
        opened.append(made)
        return made

    yield start
    for made in opened:
        made.close()


def box(terminal: MachineTerminal) -> str | None:
    """What Claude's input box has, which is below a rule; None while there is none."""
    for above, row in reversed(list(itertools.pairwise(terminal.lines))):
        if above.startswith("───") and row.startswith("❯"):
            text = row.replace("\xa0", " ").removeprefix("❯").lstrip(" ")
            return "" if text.startswith("Try ") else text
    return None


def type_in(terminal: MachineTerminal, text: str) -> None:
    """Key by key, each one waited for."""
    terminal.until(lambda: box(terminal) is not None, "an input box")
    before = box(terminal) or ""
    for end in range(1, len(text) + 1):
        terminal.press(text[end - 1])
        # The blanks at the end of a row are not to be seen.
        holds(terminal, (before + text[:end]).rstrip())


def holds(terminal: MachineTerminal, text: str) -> None:
    terminal.until(lambda: box(terminal) == text, f"{text!r} in the input box")


def ask(terminal: MachineTerminal, text: str) -> None:
    type_in(terminal, text)
    terminal.press("\r")
    terminal.shows(f"echo: {text}")


def begin(terminal: Open, columns: int = 90, rows: int = 30) -> MachineTerminal:
    """A session named api, at its prompt."""
    person = terminal("run", "-t", "--name", "api", columns=columns, rows=rows)
    person.until(lambda: box(person) == "", "Claude's prompt")
    return person


def screen(way: Way) -> list[str]:
    return way.artac("screen", "api").stdout.splitlines()


def shows_the_screen(way: Way, person: MachineTerminal) -> None:
    """The same as `artac screen` says, row by row."""

    def same() -> bool:
        shown, told = list(person.lines), screen(way)
        while shown and not shown[-1]:
            shown.pop()
        return bool(told) and shown == [row.rstrip() for row in told]

    person.until(same, "what artac screen has:\n" + "\n".join(screen(way)))


def test_a_person_leaves_and_comes_back_to_the_same_screen(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    ask(person, "a blue door")
    assert person.detach() == 0
    person.assert_restored()
    assert "comes back]" in person.text
    persistent.wait("api", "idle")
    assert "idle" in persistent.artac("ls").stdout
    again = terminal("attach", "api")
    again.shows("echo: a blue door")
    shows_the_screen(persistent, again)
    ask(again, "a red one")
    shows_the_screen(persistent, again)
    assert again.detach() == 0
    again.assert_restored()


def test_typing_goes_on_whatever_happens_to_the_backend(persistent: Way, terminal: Open) -> None:
    person = begin(terminal, columns=150)
    keys = itertools.cycle(string.ascii_lowercase)
    typed = ""

    def meanwhile(*argv: str) -> None:
        """Type at least ten letters, and until that has been done."""
        nonlocal typed
        with ThreadPoolExecutor(1) as beside:
            done = beside.submit(persistent.systemctl, *argv)
            for count in itertools.count(1):
                letter = next(keys)
                type_in(person, letter)
                typed += letter
                assert box(person) == typed
                if count >= 10 and (done.done() or len(typed) > 80):
                    break
            done.result()

    pid = persistent.main_pid()
    meanwhile("restart", persistent.unit)
    assert persistent.main_pid() != pid
    cursor = persistent.machine.journal_cursor()
    meanwhile("kill", "--signal=KILL", persistent.unit)
    persistent.wait_ready(cursor)
    meanwhile("stop", persistent.unit)
    assert persistent.show("ActiveState") == "inactive"
    meanwhile("show", persistent.unit)
    meanwhile("start", persistent.unit)
    shows_the_screen(persistent, person)
    person.press("\r")
    person.shows(f"echo: {typed}")
    assert person.detach() == 0
    person.assert_restored()


def test_windows_of_two_sizes_show_the_same(persistent: Way, terminal: Open) -> None:
    large = begin(terminal, columns=110, rows=34)
    ask(large, "from the large one")
    small = terminal("attach", "api", columns=70, rows=24)
    small.shows("echo: from the large one")
    ask(small, "from the small one")
    shows_the_screen(persistent, small)
    shows_the_screen(persistent, large)
    ask(large, "painted")
    small.shows("echo: painted")
    shows_the_screen(persistent, large)
    shows_the_screen(persistent, small)
    assert not any(len(row) > 70 for row in large.lines)
    assert small.detach() == 0
    small.assert_restored()
    large.until(lambda: "─" * 110 in large.lines, "a rule over the whole window")
    large.resize(100, 28)
    large.until(lambda: "─" * 100 in large.lines, "a rule over the window as it is now")
    ask(large, "the whole window")
    shows_the_screen(persistent, large)
    assert large.detach() == 0
    large.assert_restored()


def test_claude_that_exits_gives_the_terminal_back(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    ask(person, "something to resume")
    type_in(person, "/exit")
    person.press("\r")
    assert person.wait() == 0
    person.assert_restored()
    assert "Resume this session with" in person.text and "ended: exit code 0]" in person.text
    # The client hears of the end from the keeper, as the backend does.
    persistent.wait("api", "ended")
    assert persistent.status("api")["end"]["reason"] == "completed"


def test_the_screen_of_one_that_hangs_is_there(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    ask(person, "before it hangs")
    pid = str(persistent.status("api")["claude"]["pid"])
    persistent.machine.ns("kill", "-STOP", pid)
    late = terminal("attach", "api")
    late.shows("echo: before it hangs")
    shows_the_screen(persistent, late)
    late.press("abc")
    persistent.machine.ns("kill", "-CONT", pid)
    for each in (late, person):
        holds(each, "abc")
    late.press("\r")
    for each in (late, person):
        each.shows("echo: abc")


def test_new_files_under_an_attached_terminal(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    other = terminal("attach", "api")
    type_in(person, "old,")
    holds(other, "old,")
    package = "/usr/lib/python3/dist-packages/artac_daemon"
    persistent.machine.ns("rm", "-rf", package)
    try:
        type_in(person, "none,")
        assert other.detach() == 0
        other.assert_restored()
    finally:
        lay(persistent.machine.path("/"))
        persistent.machine.ns("python3", "-m", "compileall", "-q", package)
    cursor = persistent.machine.journal_cursor()
    persistent.systemctl("daemon-reload")
    persistent.systemctl("restart", persistent.unit)
    persistent.wait_ready(cursor)
    type_in(person, "new")
    shows_the_screen(persistent, person)
    person.press("\r")
    person.shows("echo: old,none,new")
    assert person.detach() == 0
    person.assert_restored()


def test_a_window_that_is_closed_leaves_the_session(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    ask(person, "before it closes")
    type_in(person, "half a line")
    person.hang_up()
    assert person.process.wait(20) == 0, "detached"
    assert not [line for line in persistent.processes() if "/artac run" in line]
    persistent.wait("api", "idle")
    again = terminal("attach", "api")
    again.shows("half a line")
    shows_the_screen(persistent, again)
    type_in(again, ", and the rest")
    again.press("\r")
    again.shows("echo: half a line, and the rest")


def test_a_pasted_megabyte_reaches_the_model_whole(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    pasted = "\n".join(f"line {number} ÄÖÜ 漢字 🙂" for number in range(40_000))
    assert len(pasted.encode()) > 1024 * 1024
    person.press(f"\x1b[200~{pasted}\x1b[201~")
    person.until(lambda: "[Pasted text" in (box(person) or ""), "the paste in the input box")
    person.press("\r")
    person.until(lambda: box(person) == "", "an empty input box")
    person.shows("line 39999")

    def arrived() -> list[int]:
        return [times for prompt, times in prompts(persistent.machine).items() if pasted in prompt]

    until(arrived, "the whole paste at the model")  # it is on the screen before that
    assert arrived() == [1]
    assert person.detach() == 0
    person.assert_restored()


def test_a_storm_of_sizes_leaves_the_screen_right(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    ask(person, "before the storm")
    other = terminal("attach", "api", columns=100, rows=25)
    other.shows("echo: before the storm")
    sizes = random.Random(1)
    for step in range(80):
        for window in (person, other)[: 2 - step % 2]:
            window.resize(sizes.randint(1, 120), sizes.randint(1, 40))
            window.read(0)
    person.resize(90, 30)
    other.resize(100, 28)
    type_in(person, "calm")
    holds(other, "calm")
    for each in (person, other):
        shows_the_screen(persistent, each)
    assert other.detach() == 0
    other.assert_restored()
    person.until(lambda: "─" * 90 in person.lines, "a rule over the whole window")
    shows_the_screen(persistent, person)
    assert person.detach() == 0
    person.assert_restored()


def test_clients_that_are_stopped_or_killed_hold_nobody_up(persistent: Way, terminal: Open) -> None:
    person = begin(terminal)
    other = terminal("attach", "api", columns=70, rows=20)
    other.until(lambda: box(other) == "", "Claude's prompt")
    other.signal(signal.SIGSTOP)
    for number in range(5):
        ask(person, f"number {number}")
    persistent.wait("api", "idle")
    other.signal(signal.SIGCONT)
    other.shows("echo: number 4")
    shows_the_screen(persistent, other)
    type_in(other, "of a client that is killed")
    other.signal(signal.SIGKILL)
    person.until(lambda: "─" * 90 in person.lines, "a rule over the whole window")
    holds(person, "of a client that is killed")
    person.press("\r")
    person.shows("echo: of a client that is killed")
    shows_the_screen(persistent, person)


def test_a_keeper_that_is_killed_leaves_the_terminal_as_it_was(
    persistent: Way, terminal: Open
) -> None:
    person = begin(terminal)
    ask(person, "a last word")
    persistent.machine.ns("kill", "-KILL", str(persistent.status("api")["keeper"]["pid"]))
    assert person.wait() == 12
    person.assert_restored()
    assert "artac why api says what is known]" in person.text
    persistent.wait("api", "ended")
    assert persistent.status("api")["end"]["reason"] == "lost"
