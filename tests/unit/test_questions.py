"""What Claude asks a person: read from a tool's input, answered by number, label or words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.claude import questions
from artac_daemon.claude.questions import Option, Question

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_ODD = st.fixed_dictionaries(
    {}, optional={"question": _JSON, "options": _JSON, "multiSelect": _JSON}
)


def _of(*labels: str, several: bool = False) -> Question:
    return Question("Which?", tuple(Option(label, "") for label in labels), several)


@pytest.mark.parametrize(
    ("question", "word", "answer"),
    [
        (_of("red", "blue"), "2", "blue"),
        (_of("red", "blue"), "red", "red"),
        (_of("red", "blue"), "green", "green"),
        (_of("red", "blue"), "1,2", "1,2"),
        (_of("red", "blue", several=True), "1,2", "red, blue"),
        (_of("red", "blue", several=True), "2, 1, 2", "blue, red"),
        (_of("red", "blue", several=True), "red and more", "red and more"),
        # How many? A label is meant before the number of an option.
        (_of("2", "4"), "2", "2"),
        (_of("2", "4"), "1", "2"),
    ],
)
def test_an_answer_is_a_number_a_label_or_words(question: Question, word: str, answer: str) -> None:
    assert question.answer(word) == answer


@pytest.mark.parametrize("word", ["0", "3", "999"])
def test_a_number_without_an_option_is_no_answer(word: str) -> None:
    with pytest.raises(ValueError, match=f"no option {word}, only 1 to 2"):
        _of("red", "blue").answer(word)


def test_each_answer_goes_to_its_question() -> None:
    told = {"questions": [{"question": "A?"}, {"question": "B?"}], "metadata": {"x": 1}}
    asked = questions.of("AskUserQuestion", told)
    assert questions.answered(told, asked, ["one", "two"]) == {
        **told,
        "answers": {"A?": "one", "B?": "two"},
    }


@given(st.lists(_ODD | _JSON))
def test_an_unknown_form_is_no_question_at_all(asked: list[object]) -> None:
    found = questions.of("AskUserQuestion", {"questions": asked})
    assert len(found) in (0, len(asked))
    for question, raw in zip(found, asked, strict=False):
        assert isinstance(raw, dict) and question.text == raw["question"]


@given(_JSON)
def test_another_tool_asks_nothing(told: object) -> None:
    assert questions.of("Bash", told) == ()
    if not isinstance(told, dict) or "questions" not in told:
        assert questions.of("AskUserQuestion", told) == ()
