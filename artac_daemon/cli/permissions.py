"""permissions, allow, deny: what sessions ask for, and the answers."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..client.permissions import answer, find
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
    return _answer(options, body)


def deny_options(parser: argparse.ArgumentParser) -> None:
    _add_request(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; the model is told it")
    parser.add_argument(
        "--interrupt", action="store_true", help="and end the turn; the model is not told why"
    )


def deny(options: argparse.Namespace) -> int:
    body = {"answer": "deny", "reason": options.reason, "interrupt": options.interrupt}
    return _answer(options, body)


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


def _answer(options: argparse.Namespace, body: dict[str, Any]) -> int:
    client = Client.of(options)
    asked = find(client.get("/v1/permissions?all=1")["permissions"], options.request)
    settled = client.carry_out(answer(asked["session"], asked["request_id"], body, PATIENCE))
    if options.json:
        print(rendering.json_text(settled))
    else:
        print(harmless(f"{settled['outcome']} {settled['request']}: {_what(settled)}"))
    return 0


def _lines(asked: dict[str, Any], now: float) -> list[str]:
    age = rendering.age(now - asked["since"])
    settled = f", {asked['outcome']}" if asked["outcome"] else ""
    settled += f" by {asked['by']}" if asked["by"] else ""
    lines = [
        f"{asked['request']}  {asked['session']} ({asked['name']})  {age}{settled}",
        f"  {_what(asked)}",
    ]
    if asked["outcome"] is None:
        suggestions = enumerate(asked["suggestions"], 1)
        lines += [f"  --always {number}: {suggested(item)}" for number, item in suggestions]
    return [harmless(line) for line in lines]


def _what(asked: dict[str, Any]) -> str:
    return f"{asked['tool']}: {in_one_line(asked['input'], _LONGEST)}"


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
