"""What Claude asks a person by a tool of its own, and how it wants to hear the answers.

It asks for permission to use the tool. Seen with 2.1.330: the answers belong into the
input that the permission gives back, by the text of the question; without them the model is told
that the user did not answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TOOL = "AskUserQuestion"
# As Claude's own dialog joins what was chosen, where several may be.
_AND = ", "


@dataclass(frozen=True)
class Option:
    """One of the answers that Claude offers; any other text is an answer, too."""

    label: str
    description: str


@dataclass(frozen=True)
class Question:
    """`several`: more than one option may be chosen."""

    text: str
    options: tuple[Option, ...]
    several: bool

    def answer(self, word: str) -> str:
        """What that word answers: a label, the number of an option from 1 on, or words.

        ValueError, with what is wrong, for a number that no option has.
        """
        labels = [option.label for option in self.options]
        numbers = word.split(",") if self.several else [word]
        if word in labels or not all(number.strip().isdecimal() for number in numbers):
            return word
        chosen = []
        for number in dict.fromkeys(map(int, numbers)):
            if not 1 <= number <= len(labels):
                raise ValueError(f"{self.text!r} has no option {number}, only 1 to {len(labels)}")
            chosen.append(labels[number - 1])
        return _AND.join(chosen)


def of(tool: object, given: object) -> tuple[Question, ...]:
    """The questions in a tool's input; none for another tool, or in an unknown form."""
    asked = given.get("questions") if tool == _TOOL and isinstance(given, Mapping) else None
    if not isinstance(asked, list) or not asked:
        return ()
    found = tuple(_question(item) for item in asked)
    return tuple(question for question in found if question) if all(found) else ()


def answered(
    given: Mapping[str, Any], questions: Sequence[Question], answers: Sequence[str]
) -> dict[str, Any]:
    """The input with an answer to each of its questions, in their order."""
    texts = (question.text for question in questions)
    return {**given, "answers": dict(zip(texts, answers, strict=True))}


def _question(raw: object) -> Question | None:
    if not isinstance(raw, dict) or not isinstance(raw.get("question"), str):
        return None
    options = raw.get("options")
    return Question(
        text=raw["question"],
        options=tuple(
            Option(item["label"], str(item.get("description") or ""))
            for item in (options if isinstance(options, list) else ())
            if isinstance(item, dict) and isinstance(item.get("label"), str)
        ),
        several=raw.get("multiSelect") is True,
    )
