"""`artac resume` with the real Claude Code: it knows what was said, and runs nothing again."""

from __future__ import annotations

import json

from tests.machine.ways import answer_first_questions
from tests.support.backend import until
from tests.support.way import Way, prompts


def transcripts(way: Way) -> str:
    home = way.machine.home(way.account)
    script = 'cat "$0"/.claude/projects/*/*.jsonl'
    return str(way.machine.ns("sh", "-c", script, home, check=False).stdout)


def locks(way: Way) -> list[str]:
    home = way.machine.home(way.account)
    found = way.machine.ns("ls", f"{home}/.claude/artac", check=False).stdout
    return str(found).split()


def test_a_resumed_session_knows_what_was_said_and_runs_nothing_again(system: Way) -> None:
    system.configure()
    system.start()
    allowed = ("--name", "resumed", "--allowed-tools", "Bash")
    old = system.run(*allowed, "remember the green gate")
    system.wait("resumed", "idle")
    conversation = system.status("resumed")["claude_session_id"]
    assert locks(system) == [f"{conversation}.lock"]
    system.artac("stop", "resumed")
    assert locks(system) == []
    # Headless, and on in order.
    told = system.artac("resume", "resumed").stdout
    assert told.startswith(f"resumed {old['id']} as ")
    assert "green gate" in system.ask("resumed", "recall")
    # A foreign Claude has no chance beside it, and it none beside a foreign one.
    mark = f"{system.work}/resumed-mark"
    accepted = system.artac(
        "send", "resumed", f'tool: sh -c "date >>{mark}; exec sleep 4511"'
    ).stdout
    assert accepted
    until(lambda: system.machine.ns("test", "-s", mark, check=False).returncode == 0, "the tool")
    until(lambda: "sleep 4511" in transcripts(system), "the transcript")
    before = prompts(system.machine)
    pid = system.status("resumed")["claude"]["pid"]
    system.machine.ns("kill", "-KILL", str(pid))
    system.artac("wait", "resumed", "--timeout", "30s")
    cut = system.artac("resume", "resumed")
    assert "cut off: the tool Bash" in cut.stderr and "not run again" in cut.stderr
    system.wait("resumed", "idle")
    assert "green gate" in system.ask("resumed", "recall")
    assert system.machine.ns("cat", mark).stdout.count("\n") == 1
    again = [text for text, count in prompts(system.machine).items() if count > before.get(text, 0)]
    assert not any("4511" in text for text in again), again
    # Where it is asked for, the turn that was cut off runs again.
    system.artac("send", "resumed", f'tool: sh -c "date >>{mark}; exec sleep 4512"')
    until(lambda: system.machine.ns("cat", mark).stdout.count("\n") == 2, "the tool runs")
    until(lambda: "sleep 4512" in transcripts(system), "the transcript")
    pid = system.status("resumed")["claude"]["pid"]
    system.machine.ns("kill", "-KILL", str(pid))
    system.artac("wait", "resumed", "--timeout", "30s")
    system.artac("resume", "resumed", "--continue-interrupted")
    until(lambda: system.machine.ns("cat", mark).stdout.count("\n") == 3, "the tool runs again")
    system.artac("kill", "resumed")
    system.machine.ns("rm", "-f", mark)


def test_a_foreign_claude_that_has_the_conversation_is_named(system: Way) -> None:
    system.configure()
    system.start()
    system.run("--name", "foreign-held", "remember the red roof")
    system.wait("foreign-held", "idle")
    system.artac("stop", "foreign-held")
    conversation = system.status("foreign-held")["claude_session_id"]
    stream = "-p --verbose --input-format stream-json --output-format stream-json"
    env = " ".join(
        f"{name}={value}"
        for name, value in (
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:8787"),
            ("ANTHROPIC_API_KEY", "sk-ant-none-of-anybody"),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        )
    )
    script = f'cd "$0" && {env} exec claude {stream} --resume {conversation}'
    with system.machine.background(
        ["sh", "-c", script, str(system.work)], user=system.account
    ) as process:
        until(
            lambda: system.machine.ns(
                "pgrep", "-f", f"^claude .*--resume {conversation}", check=False
            ).stdout.split(),
            "it runs",
        )
        refused = system.artac("resume", "foreign-held", check=False)
        assert refused.returncode == 6, refused
        assert "has its conversation" in refused.stderr and refused.stderr.count("\n") == 1
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
    system.artac("resume", "foreign-held")
    assert "red roof" in system.ask("foreign-held", "recall")


def test_a_terminal_session_goes_on_and_knows_what_was_typed(system: Way) -> None:
    answer_first_questions(system)
    system.configure()
    system.start()
    session = system.run("--terminal", "--name", "resumed-tui")
    system.wait_prompt("resumed-tui")
    system.artac("send", "resumed-tui", "remember the grey goose")
    until(lambda: "echo: remember the grey goose" in transcripts(system), "the answer")
    system.wait("resumed-tui", "idle")
    system.artac("stop", "resumed-tui")
    system.artac("resume", "-d", "resumed-tui")
    system.wait("resumed-tui", "idle")
    new = system.status("resumed-tui")
    assert (new["kind"], new["resumes"]) == ("terminal", session["id"])
    # It says idle with SessionStart, and draws its screen after that.
    until(lambda: "grey goose" in system.artac("screen", "resumed-tui").stdout, "what was said")
    system.artac("stop", "resumed-tui")
    # What was held on a terminal goes on without one, and knows it.
    system.artac("resume", "--headless", "resumed-tui")
    assert "grey goose" in system.ask("resumed-tui", "recall")
    assert json.loads(system.artac("ls", "--json").stdout)
