"""What a tool is to do, in one line: nothing of it is left out unseen."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.model.tool_input import in_one_line


def test_the_telling_part_comes_first() -> None:
    told = {"description": "List", "timeout": 5, "command": "ls"}
    assert in_one_line(told, 100) == 'ls  {"timeout": 5}'
    assert in_one_line({"file_path": "/a", "content": "/a"}, 100) == '/a  {"content": "/a"}'
    assert in_one_line({"description": "only words"}, 100) == ""
    assert in_one_line({"questions": [1]}, 100) == '{"questions": [1]}'


@given(st.text(max_size=50), st.integers(1, 40))
def test_a_cut_is_told(command: str, longest: int) -> None:
    told = in_one_line({"command": command}, longest)
    if len(command) <= longest:
        assert told == command
    else:
        assert told == f"{command[:longest]}… ({len(command) - longest} more characters)"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4))
def test_every_value_is_there(given_input: dict[str, str]) -> None:
    told = in_one_line(given_input, 10_000)
    for key, value in given_input.items():
        if key != "description":
            assert value in told or json.dumps(value, ensure_ascii=False) in told
