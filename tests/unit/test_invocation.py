"""What `claude` is asked for, by its command line alone."""

from __future__ import annotations

import pytest

from artac_daemon.claude.invocation import Invocation

SDK = (
    "--output-format stream-json --verbose --input-format=stream-json "
    "--permission-prompt-tool stdio"
).split()


@pytest.mark.parametrize(
    "words",
    [
        ["-v"],
        ["--version"],
        ["-p", "--help"],
        ["mcp", "list"],
        ["--model", "opus", "mcp", "list"],
        ["--debug", "--add-dir", "a", "b", "--verbose", "doctor"],
        ["update"],
        ["-pv"],
    ],
)
def test_no_session(words: list[str]) -> None:
    assert Invocation(words).direct


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-p", "hello"],
        SDK,
        ["-p", "--", "mcp"],
        ["-p", "--system-prompt", "--version"],
        ["-p", "--append-system-prompt", "mcp", "hello"],
        ["--model", "mcp", "hello"],
        ["-p", "--allowedTools", "mcp", "doctor", "--", "hello"],
        ["-n", "update", "-p", "hello"],
        ["--resume", "update"],
        ["-p", "what does -v mean"],
    ],
)
def test_a_session(words: list[str]) -> None:
    assert not Invocation(words).direct


def test_how_it_speaks() -> None:
    asked = Invocation(SDK)
    assert (asked.lines, asked.tells, asked.prints) == (True, True, False)
    asked = Invocation(["-p", "--output-format=json", "hello"])
    assert (asked.lines, asked.tells, asked.prints) == (False, False, True)
    assert asked.operand == "hello"


@pytest.mark.parametrize(
    ("words", "conversation"),
    [
        (["--session-id", "a"], "a"),
        (["--resume=b"], "b"),
        (["-r", "b"], "b"),
        (["-rb"], "b"),
        (["-p", "--resume", "b", "--fork-session"], ""),
        (["--resume", "b", "--fork-session", "--session-id", "c"], "c"),
        (["-p"], ""),
    ],
)
def test_which_conversation_it_writes_to(words: list[str], conversation: str) -> None:
    assert Invocation(words).conversation == conversation


def test_what_is_given_twice_counts_as_given_last() -> None:
    asked = Invocation(["--permission-mode", "plan", "--permission-mode=bypassPermissions"])
    assert asked.options["--permission-mode"] == "bypassPermissions"


def test_an_option_whose_value_is_missing_has_none() -> None:
    assert Invocation(["--permission-mode"]).options == {"--permission-mode": ""}
