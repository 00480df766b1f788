"""permissions, allow, deny, answer: what sessions ask for, and the answers."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..claude import questions
from ..claude.questions import Question
from ..client import permissions as asking
from ..model.tool_input import in_one_line
from . import rendering
from .client import PATIENCE, Client, with_query
from .escapes import harmless
from .options import add_json, usage

# What is answered is to be seen; only what nobody would read is left to --json.
_LONGEST = 4000


def permissions_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", nargs="?", metavar="SESSION")
    parser.add_argument("--all", action="store_true", help="those that were settled, too")
    add_json(parser)


def permissions(options: argparse.Namespace) -> int:
    query = {"session": options.session, "all": 1 if options.all else None}
    found = Client.of(options).get(with_query("/v1/permissions", **query))["permissions"]
    if options.json:
        print(rendering.json_text(found))
    else:
        now = time.time()
        for asked in found:
            print("\n".join(_lines(asked, now)))
    return 0


def allow_options(parser: argparse.ArgumentParser) -> None:
    _add_request(parser)
    parser.add_argument(
        "--always",
        metavar="WHICH",
        help="also take over suggestions of Claude's: their numbers, such as 1 or 1,2, or all",
    )


def allow(options: argparse.Namespace) -> int:
    body: dict[str, Any] = {"answer": "allow"}
    if options.always is not None:
        body["always"] = _numbers(options.always)
    client = Client.of(options)
    asked = _find(client, options)
    if asked["outcome"] is None and _questions(asked):
        name = asked["request"]
        raise usage("allow", f"{name} is a question: write artac answer {name} and the answer")
    return _settle(client, options, asked, body)


def deny_options(parser: argparse.ArgumentParser) -> None:
    _add_request(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; the model is told it")
    parser.add_argument(
        "--interrupt", action="store_true", help="and end the turn; the model is not told why"
    )


def deny(options: argparse.Namespace) -> int:
    body = {"answer": "deny", "reason": options.reason, "interrupt": options.interrupt}
    client = Client.of(options)
    return _settle(client, options, _find(client, options), body)


def answer_options(parser: argparse.ArgumentParser) -> None:
    _add_request(parser)
    parser.add_argument(
        "answers",
        nargs="+",
        metavar="ANSWER",
        help="one for each question, in their order: the number of an option, several such as 1,3 "
        "where they are asked for, or words of your own",
    )


def answer(options: argparse.Namespace) -> int:
    client = Client.of(options)
    asked = _find(client, options)
    there = _questions(asked)
    if not there:
        raise usage("answer", f"{asked['request']} is no question: artac allow or deny answers it")
    if len(options.answers) != len(there):
        numbers = f"{len(there)} questions, and you have given {len(options.answers)} answers"
        raise usage("answer", f"{asked['request']} asks {numbers}")
    try:
        words = [q.answer(word) for q, word in zip(there, options.answers, strict=True)]
    except ValueError as error:
        raise usage("answer", str(error)) from None
    return _settle(client, options, asked, {"answer": "allow", "answers": words})


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "request", metavar="REQUEST", help="as artac permissions shows it, or the start of it"
    )
    add_json(parser)


def _numbers(given: str) -> str | list[int]:
    if given == "all":
        return given
    words = given.split(",")
    if not all(word.isascii() and word.isdigit() and len(word) < 4 for word in words):
        raise usage("allow", f"--always {given!r} is no number of a suggestion, and not all")
    return [int(word) for word in words]


def _find(client: Client, options: argparse.Namespace) -> dict[str, Any]:
    return asking.find(client.get("/v1/permissions?all=1")["permissions"], options.request)


def _settle(
    client: Client, options: argparse.Namespace, asked: dict[str, Any], body: dict[str, Any]
) -> int:
    procedure = asking.answer(asked["session"], asked["request_id"], body, PATIENCE)
    settled = client.carry_out(procedure)
    if options.json:
        print(rendering.json_text(settled))
    elif words := body.get("answers"):
        for question, word in zip(_questions(asked), words, strict=True):
            print(harmless(f"answered {settled['request']}: {question.text} {word}"))
    else:
        print(harmless(f"{settled['outcome']} {settled['request']}: {_what(settled)}"))
    return 0


def _lines(asked: dict[str, Any], now: float) -> list[str]:
    age = rendering.age(now - asked["since"])
    settled = f", {asked['outcome']}" if asked["outcome"] else ""
    settled += f" by {asked['by']}" if asked["by"] else ""
    lines = [
        f"{asked['request']}  {asked['session']} ({asked['name']})  {age}{settled}",
    ]
    there = _questions(asked)
    lines += [f"  {line}" for question in there for line in _question(question)]
    lines += [] if there else [f"  {_what(asked)}"]
    if asked["outcome"] is None:
        suggestions = enumerate(asked["suggestions"], 1)
        lines += [f"  --always {number}: {suggested(item)}" for number, item in suggestions]
    return [harmless(line) for line in lines]


def _what(asked: dict[str, Any]) -> str:
    return f"{asked['tool']}: {in_one_line(asked['input'], _LONGEST)}"


def _questions(asked: dict[str, Any]) -> tuple[Question, ...]:
    return questions.of(asked["tool"], asked["input"])


def _question(question: Question) -> list[str]:
    several = " (several: 1,2)" if question.several else ""
    lines = [f"asks: {question.text}{several}"]
    for number, option in enumerate(question.options, 1):
        about = f" ({option.description})" if option.description else ""
        lines.append(f"  {number}: {option.label}{about}")
    return lines


def suggested(item: dict[str, Any]) -> str:
    """What a suggestion of Claude's would do."""
    kind, where = item.get("type"), str(item.get("destination") or "session")
    where = "in this session" if where == "session" else f"in {where}, and in this session"
    if kind == "addRules" and isinstance(item.get("rules"), list):
        rules = ", ".join(map(_rule, item["rules"]))
        return f"{item.get('behavior') or 'allow'} {rules} {where}"
    if kind == "addDirectories" and isinstance(item.get("directories"), list):
        return f"work in {', '.join(map(str, item['directories']))} too, {where}"
    if kind == "setMode":
        return f"permission mode {item.get('mode')} {where}"
    return rendering.json_text(item)


def _rule(rule: Any) -> str:
    if not isinstance(rule, dict):
        return str(rule)
    content = rule.get("ruleContent")
    return f"{rule.get('toolName')}({content})" if content else str(rule.get("toolName"))
