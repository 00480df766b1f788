"""What artac offers to complete: only what means something, and nothing that could do harm."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.cli import main
from artac_daemon.cli.completing import references
from artac_daemon.model.errors import ArtacError
from artac_daemon.model.limits import LIMITS, read
from artac_daemon.model.session import State, check_name
from tests.unit.test_cli_command import HEAVY, artac

Offered = list[str]


def session(session_id: str, name: str = "", ended: bool = False) -> dict[str, Any]:
    end = {"reason": "completed"} if ended else None
    state = "ended" if ended else "idle"
    return {"id": session_id, "name": name or session_id, "state": state, "end": end}


@pytest.fixture
def offered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("ARTAC_SOCKET", "/nonexistent/s")

    def offers(*words: str) -> Offered:
        assert main.main(["__complete", *words]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        return [line.partition("\t")[0] for line in told.out.splitlines()]

    return offers


def test_every_command_and_every_option(offered: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert offered("") == [verb for verb in main.VERBS if verb != "drain"]
    for verb in offered(""):
        main.main([verb, "--help"])
        listed = capsys.readouterr().out.split("\noptions:\n")[1]
        rows = re.findall(r"(?m)^  (-.+?)(?:  .*)?$", listed)
        names = {part.split()[0] for row in rows for part in row.split(", ")}
        assert set(offered(verb, "-")) == names, verb


def test_words_before_the_one_to_complete_are_understood(offered: Any) -> None:
    assert offered("--socket", "/x", "stat") == ["status"]
    assert offered("--socket=/x", "help", "stat") == ["status"]
    assert offered("--socket", "") == [":file"]
    assert "--all" not in offered("ls", "--all", "-")
    assert "--env" in offered("run", "--env", "A=1", "-")
    assert offered("config", "--check", "--js") == ["--json"]
    assert offered("run", "-n") == []
    assert offered("send", "api", "--", "-") == []


def test_values_are_those_that_are_taken(offered: Any) -> None:
    assert offered("wait", "api", "--for", "") == [state.value for state in State]
    assert offered("wait", "api", "--for=idle,ended,st") == [
        "--for=idle,ended,starting",
        "--for=idle,ended,stopping",
    ]
    names = offered("limit", "api", "")
    assert len(names) == len(LIMITS) and all(name.endswith("=") for name in names)
    for name in names:
        with pytest.raises(ArtacError, match="allowed:"):  # the name is known, the value is not
            read({name.removesuffix("="): "?"})


def test_a_name_stands_for_the_session_that_it_means() -> None:
    first, second = session("bcdfgh", "api", ended=True), session("cdfghj", "api")
    known = [first, second, session("dfghjk", ended=True)]
    assert dict(references(known, "", [])) == {
        "bcdfgh": "ended, completed, api",
        "api": "idle",
        "dfghjk": "ended, completed",
    }
    assert [value for value, _ in references(known, "", [], lambda s: bool(s["end"]))] == [
        "bcdfgh",
        "dfghjk",
    ]
    assert [value for value, _ in references(known, "c", [])] == ["cdfghj"]
    assert [value for value, _ in references(known, "", ["api", "dfghjk"])] == ["bcdfgh"]


@given(st.one_of(st.text(max_size=70), st.from_regex(r"[A-Za-z0-9._-]{1,66}", fullmatch=True)))
def test_only_names_that_a_session_may_have_are_offered(name: str) -> None:
    found = [value for value, _ in references([session("bcdfgh", name or "$(x)")], "", [])]
    try:
        check_name(name)
    except ArtacError:
        assert found == ["bcdfgh"]
    else:
        assert found == [name]


def test_a_daemon_that_does_not_answer_is_not_waited_for(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        before = time.monotonic()
        assert main.main(["__complete", "--socket", str(tmp_path / "s"), "stop", ""]) == 0
        assert time.monotonic() - before < 10
    assert capsys.readouterr() == ("", "")


def test_it_imports_no_more_than_other_commands() -> None:
    done = artac("__complete", "stop", "", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "artac_daemon.cli.completing" in imported
    assert imported.isdisjoint(HEAVY)
