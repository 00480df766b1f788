"""What clients send: every wrong body and query has its one-line answer."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.daemon import fields, requests
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import Kind, LaunchRequest, State

UUID = "123e4567-e89b-12d3-a456-426614174000"


def refusal(check: Any, *given: Any) -> str:
    """The message of a USAGE error, which is what every wrong request has to get."""
    with pytest.raises(ArtacError) as refused:
        check(*given)
    assert refused.value.kind is ErrorKind.USAGE
    message = refused.value.message
    assert message and message.isprintable(), message
    return message


WRONG_TYPES = [1, 1.5, True, False, [], {}, ["x"], {"a": 1}]
NOT_TEXT = [*WRONG_TYPES, "a\0b", "half \ud800 of a pair"]


@pytest.mark.parametrize("body", [None, [], "text", 1, True, [{"cwd": "/"}]])
@pytest.mark.parametrize("check", [requests.launch, requests.message])
def test_a_body_that_is_no_object(check: Any, body: object) -> None:
    assert "object" in refusal(check, body)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("cwd", [*NOT_TEXT, ""]),
        ("kind", [*WRONG_TYPES, "", "HEADLESS", "both"]),
        ("name", NOT_TEXT),
        ("prompt", [*NOT_TEXT, "", " \n\t "]),
        ("prompt_uuid", [*NOT_TEXT, "", "1", UUID + "0", UUID.replace("-", ""), f"{UUID}\n"]),
        ("model", [*NOT_TEXT, "--dangerously-skip-permissions", "-p"]),
        ("persist", [1, 1.5, [], {}, "", "true", "x"]),
        ("permission_mode", [*WRONG_TYPES, "", "bypassPermissions", "PLAN", "a\nb"]),
        ("allowed_tools", [1, True, {}, "Bash", [1], [None], [["a"]], ["a\0b"], ["\ud800"]]),
        ("claude_args", [1, True, {}, "-v", [1], [None], [["a"]], ["a\0b"], ["\ud800"]]),
        ("env", [1, True, [], "A=1", {"A": 1}, {"A": None}, {"A": "\0"}, {"A": "\ud800"}]),
        ("env", [{name: "x"} for name in ("", "1A", "A-B", "A=B", "ARTAC_X", "Ä", "A\n", "A B")]),
        ("size", [1, True, {}, "80x24", [80], [80, 24, 1], [80, "24"], [True, 24], [80.0, 24]]),
        ("size", [[0, 24], [80, -1], [80, 10001], [80, None], [80, 10**30]]),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_key(key: str, values: list[object]) -> None:
    for value in values:
        assert key in refusal(requests.launch, {"cwd": "/srv", key: value}), value


@pytest.mark.parametrize("key", ["pompt", "CWD", "a\nb", "\x1b[31m", "\ud800", "x" * 1000])
def test_an_unknown_key_is_refused_by_its_name(key: str) -> None:
    assert repr(key) in refusal(requests.launch, {"cwd": "/srv", key: 1})
    told = refusal(requests.message, {"text": "hello", key: 1})
    assert f"unknown key {key!r} in the request; allowed: text, uuid" in told


def test_a_request_without_a_directory_says_so() -> None:
    assert "cwd is missing" in refusal(requests.launch, {})
    assert "cwd is missing" in refusal(requests.launch, {"cwd": None})


def test_a_terminal_session_has_no_prompt() -> None:
    body = {"cwd": "/srv", "kind": "terminal", "prompt": "hello"}
    assert "terminal" in refusal(requests.launch, body)


@pytest.mark.parametrize(
    ("key", "values"),
    [("text", [*NOT_TEXT, "", "  ", None]), ("uuid", [*NOT_TEXT, "", "1", UUID + "0"])],
)
def test_a_wrong_message_is_refused_by_the_name_of_its_key(key: str, values: list[object]) -> None:
    for value in values:
        assert key in refusal(requests.message, {"text": "hello", key: value}), value


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    *("cwd", "kind", "name", "prompt", "prompt_uuid", "model", "permission_mode", "allowed_tools"),
    *("claude_args", "env", "size", "text", "uuid"),
)


@given(junk | st.dictionaries(st.sampled_from(KEYS) | st.text(), junk, max_size=5))
def test_no_body_gets_anything_but_an_answer_of_one_line(body: object) -> None:
    for check in (requests.launch, requests.message):
        try:
            check(body)
        except ArtacError as error:
            assert error.kind is ErrorKind.USAGE
            assert error.message.isprintable(), error.message


@pytest.mark.parametrize("key", ["name", "kind", "size", "env", "allowed_tools"])
def test_a_value_nested_almost_too_deep_to_be_read_is_refused_as_well(key: str) -> None:
    for depth in range(800, 1000, 5):
        try:
            value = json.loads("[" * depth + "]" * depth)
        except RecursionError:
            return
        refusal(requests.launch, {"cwd": "/srv", key: value})


def test_a_whole_request_is_taken_as_it_is() -> None:
    body = {
        "cwd": "/srv",
        "kind": "headless",
        "name": "api",
        "prompt": " hello\n",
        "prompt_uuid": UUID.upper(),
        "model": "opus",
        "permission_mode": "plan",
        "allowed_tools": ["Bash"],
        "claude_args": ["--add-dir", "/x"],
        "env": {"A": "1"},
        "size": [100, 30],
    }
    assert requests.launch(body) == LaunchRequest(
        cwd="/srv",
        kind=Kind.HEADLESS,
        name="api",
        prompt=" hello\n",
        prompt_uuid=UUID,
        model="opus",
        permission_mode="plan",
        allowed_tools=("Bash",),
        claude_args=("--add-dir", "/x"),
        env={"A": "1"},
        size=(100, 30),
    )


def test_a_prompt_has_a_uuid_in_any_case() -> None:
    given = requests.launch({"cwd": "/srv", "prompt": "hello"}).prompt_uuid
    assert given is not None and re.fullmatch(r"[0-9a-f-]{36}", given)
    assert requests.launch({"cwd": "/srv"}).prompt_uuid is None


def test_a_key_that_is_null_is_a_key_that_is_not_there() -> None:
    nulls = dict.fromkeys(KEYS[1:-2])
    assert requests.launch({"cwd": "/srv", **nulls}) == LaunchRequest(cwd="/srv")
    assert requests.message({"text": "hello", "uuid": None}) == ("hello", None)


# Queries


@pytest.mark.parametrize(
    ("check", "values"),
    [
        (fields.seconds, ["", "x", "-1", "nan", "inf", "1e9", "1 2", "1\n2", "\x1b"]),
        (fields.offset, ["", "x", "1.5", "+1", "--1", "1e3", "9" * 19, "1\n", "١"]),
        (fields.flag, ["", "yes", "2", "True", "1\n"]),
        (fields.states, ["", ",", "sleeping", "idle,x", "IDLE", "idle\n"]),
    ],
)
def test_a_wrong_query_is_refused_by_the_name_of_its_key(check: Any, values: list[str]) -> None:
    for value in values:
        assert refusal(check, "some-key", value).startswith("some-key"), value


def test_an_unknown_query_key_is_refused_and_the_known_ones_are_told() -> None:
    message = refusal(fields.query, {"folow\n": "1"}, ("offset", "follow"))
    assert repr("folow\n") in message and "offset, follow" in message
    assert "none" in refusal(fields.query, {"x": "1"}, ())


def test_right_queries_are_read() -> None:
    assert fields.seconds("wait", "1.5") == 1.5
    assert [fields.offset("offset", text) for text in ("0", "-400", "1" * 18)][:2] == [0, -400]
    assert [fields.flag("all", text) for text in ("0", "1", "false", "true")] == [
        *(False, True, False, True)
    ]
    assert fields.states("for", "idle,ended") == {State.IDLE, State.ENDED}
    assert fields.query({"a": "1"}, ("a", "b")) == {"a": "1"}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"dry_run": True}, {"all": True}, {"all": True, "dry_run": False},
        {"all": True, "orphans": True, "dry_run": True}, {"all": 1, "dry_run": True},
        {"session": "", "dry_run": True}, {"session": 1, "dry_run": True},
        {"foreign": [], "dry_run": True}, {"foreign": 12, "dry_run": True},
        {"foreign": [0], "dry_run": True}, {"foreign": [-1], "dry_run": True},
        {"foreign": [True], "dry_run": True}, {"foreign": ["12"], "dry_run": True},
        {"foreign": [2**22 + 1], "dry_run": True}, {"foreign": [1.0], "dry_run": True},
        {"all": True, "dry_run": True, "confirmed": []}, {"all": True, "confirmed": {}},
        {"all": True, "confirmed": [1]}, {"all": True, "confirmed": [{"pid": 1}]},
        {"all": True, "confirmed": [{"pid": 1, "start_time": "1"}]},
        {"all": True, "confirmed": [{"pid": 1, "start_time": 1, "x": 1}]},
        {"all": True, "dry_run": True, "force": True},
    ],
)  # fmt: skip
def test_a_wrong_reap_is_refused(body: dict[str, Any]) -> None:
    refusal(requests.reap, body)


def test_a_reap() -> None:
    wanted, confirmed = requests.reap({"foreign": [4, 5], "dry_run": True})
    assert wanted.foreign == (4, 5) and confirmed is None
    shown = [{"pid": 4, "start_time": 99}]
    wanted, confirmed = requests.reap({"session": "api", "confirmed": shown})
    assert wanted.session == "api" and confirmed == {(4, 99)}
