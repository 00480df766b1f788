"""__complete: what the shells' completions offer.

`artac __complete WORD...` gets the words after `artac`, the last of them the one to complete. Each
line of the answer is a candidate for that whole word, a tab and what it is; `:file` or `:directory`
asks the shell for paths of its own. Everything follows from the verbs' options and their metavars.
Whatever cannot be known, the daemon being down for example, is not offered, and nothing is said.
"""

from __future__ import annotations

import argparse
import os

from ..client.call import Response
from ..client.http1 import Broken, request
from .client import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .options import Parser

# A daemon that takes longer is not worth waiting for in front of a cursor that stands still.
_PATIENCE = 1.0
# Which sessions a verb is for; all the others are for those that run.
_FOR_ALL = frozenset({"status", "logs", "events", "why", "messages", "restarts"})
_FOR_ENDED = frozenset({"rm", "resume"})
_GLOBAL = {
    "--socket": "the daemon's socket",
    "--version": "artac's version",
    "--help": "what there is",
}


def complete(
    words: Sequence[str], verbs: Mapping[str, str], parser_of: Callable[[str], Parser]
) -> int:
    """Print the candidates; `verbs` has what each does."""
    for value, meaning in _candidates(list(words) or [""], verbs, parser_of):
        print(f"{value}\t{meaning}" if meaning else value)
    return 0


def _candidates(
    words: list[str], verbs: Mapping[str, str], parser_of: Callable[[str], Parser]
) -> Iterator[tuple[str, str]]:
    *before, typed = words
    asked = ""
    while before and before[0].partition("=")[0] == "--socket":
        _, equals, asked = before.pop(0).partition("=")
        if not equals:
            if not before:
                yield ":file", ""
                return
            asked = before.pop(0)
    if not before or before == ["help"]:
        offered = _GLOBAL if typed.startswith("-") else verbs
        if typed.startswith("--socket="):
            yield ":file", ""
        yield from ((word, what) for word, what in offered.items() if word.startswith(typed))
    elif before[0] in verbs:
        yield from _Line(before[0], parser_of(before[0]), before[1:], asked).candidates(typed)


class _Line:
    """A verb's words before the one to complete, as its parser would take them."""

    def __init__(self, verb: str, parser: Parser, words: list[str], asked: str) -> None:
        self._verb = verb
        self._parser = parser
        self._options = {
            name: action for action in _shown(parser) for name in action.option_strings
        }
        self._given: set[str] = set()
        self._plain: list[str] = []
        self._pending: argparse.Action | None = None  # the option that waits for its value
        self._only_plain = self._rest = False
        self._socket = asked
        for word in words:
            self._take(word)

    def _take(self, word: str) -> None:
        pending, self._pending = self._pending, None
        if pending is not None and _takes(pending, word):
            if pending.dest == "socket":
                self._socket = word
            if pending.nargs in ("*", "+"):
                self._pending = pending
        elif word == "--" and not self._only_plain:
            self._only_plain, self._rest = True, self._parser.takes_rest
        elif self._only_plain or not word.startswith("-") or word == "-":
            self._plain.append(word)
        else:
            name, equals, value = word.partition("=")
            action = self._options.get(name)
            if action is None:
                return
            if not isinstance(action, argparse._AppendAction):
                self._given.add(action.dest)
            if equals and action.dest == "socket":
                self._socket = value
            elif not equals and action.nargs != 0:
                self._pending = action

    def candidates(self, typed: str) -> Iterator[tuple[str, str]]:
        if self._rest:
            return
        name, equals, value = typed.partition("=")
        if self._pending is not None and _takes(self._pending, typed):
            yield from self._values(self._pending, typed)
        elif typed.startswith("-") and not self._only_plain:
            if equals and name in self._options:
                for found, meaning in self._values(self._options[name], value):
                    yield found if found.startswith(":") else f"{name}={found}", meaning
            else:
                yield from self._names(typed)
        elif expected := self._expected():
            for action in expected:
                yield from self._values(action, typed)
        elif not self._only_plain:
            yield from self._names(typed)

    def _names(self, typed: str) -> Iterator[tuple[str, str]]:
        for name, action in self._options.items():
            if name.startswith(typed) and action.dest not in self._given:
                yield name, meaning(action)

    def _expected(self) -> list[argparse.Action]:
        """The arguments that the next plain word may be."""
        arguments = [action for action in _shown(self._parser) if not action.option_strings]
        for at, action in enumerate(arguments):
            if action.nargs in ("*", "+"):
                return arguments[at:]
            if at == len(self._plain):
                return [action]
        return []

    def _values(self, action: argparse.Action, typed: str) -> Iterator[tuple[str, str]]:
        metavar = str(action.metavar or "")
        if metavar == "DIR":
            yield ":directory", ""
        elif metavar == "PATH":
            yield ":file", ""
        elif metavar == "SESSION":
            known = _ask(self._socket, f"/v1/sessions?all={int(self._wants_ended())}", "sessions")
            if self._verb in _FOR_ENDED and "force" not in self._given:
                yield from references(known, typed, self._plain, lambda found: bool(found["end"]))
            else:
                yield from references(known, typed, self._plain)
        elif metavar == "DECLARED":
            for found in _ask(self._socket, "/v1/declared", "declared"):
                name = found["name"]
                if _harmless(name) and name.startswith(typed) and name not in self._plain:
                    yield name, "broken" if found["problem"] else f"starts {found['start']}"
        elif metavar == "REQUEST":
            for asked in _ask(self._socket, "/v1/permissions", "permissions"):
                if _harmless(asked["request"]) and asked["request"].startswith(typed):
                    named = asked["tool"].isprintable() and asked["name"].isprintable()
                    yield asked["request"], f"{asked['tool']}, {asked['name']}" if named else ""
        elif metavar == "MESSAGE" and _harmless(self._plain[0]):
            path = f"/v1/sessions/{self._plain[0]}/messages"
            for message in _ask(self._socket, path, "messages"):
                if _harmless(message["uuid"]) and message["uuid"].startswith(typed):
                    yield message["uuid"], str(message["state"])
        else:
            for value in _words(action, metavar, typed):
                if value.startswith(typed) and value not in self._plain:
                    yield value, ""

    def _wants_ended(self) -> bool:
        return self._verb in _FOR_ALL or self._verb in _FOR_ENDED


def meaning(action: argparse.Action) -> str:
    """An option's or argument's help on one line."""
    text = (action.help or "") % vars(action)
    return " ".join(text.split())


def references(
    sessions: Iterable[Mapping[str, Any]],
    typed: str,
    taken: Iterable[str],
    wanted: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> Iterator[tuple[str, str]]:
    """How to call those sessions, which come oldest first: a name where it means this session."""
    sessions = [session for session in sessions if _harmless(session["id"])]
    meant: dict[str, Mapping[str, Any]] = {}
    for session in sessions:
        before = meant.get(session["name"])
        if before is None or before["end"] or not session["end"]:
            meant[session["name"]] = session
    gone = set(taken)
    for session in sessions:
        session_id, name, end = session["id"], session["name"], session["end"]
        if not wanted(session) or session_id in gone:
            continue
        state = f"ended, {end['reason']}" if end else str(session["state"])
        named = _harmless(name) and meant[name] is session
        if named and name in gone:
            continue
        if named and name.startswith(typed):
            yield name, state
        elif session_id.startswith(typed) and (typed or not named):
            yield session_id, f"{state}, {name}" if _harmless(name) else state


def _harmless(name: str) -> bool:
    """Whether it is what artac lets a session be called: nothing that means something to a shell.

    A record that was tampered with could hold anything. The rule is that of
    `model.session.check_name`, without the time that its import takes.
    """
    plain = name.replace(".", "").replace("_", "").replace("-", "")
    return name.isascii() and name[:1].isalnum() and plain.isalnum() and len(name) <= 63


def _takes(option: argparse.Action, word: str) -> bool:
    """Whether the word after an option is its value: not if it needs none and this is an option."""
    return option.nargs is None or not word.startswith("-")


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def _words(action: argparse.Action, metavar: str, typed: str) -> list[str]:
    """The words that a value can be; none where it can be anything."""
    if action.choices is not None:
        return list(map(str, action.choices))
    if "|" in metavar:
        return metavar.split("|")
    if metavar == "STATES":
        from ..model.session import State

        done, comma, _ = typed.rpartition(",")
        named = done.split(",")
        return [f"{done}{comma}{state.value}" for state in State if state.value not in named]
    if metavar == "MODE":
        from ..model.permission import PermissionMode

        return [mode.value for mode in PermissionMode]
    if metavar == "NAME=VALUE":
        from ..model.limits import LIMITS

        return [f"{row.alias or row.key}=" for row in LIMITS.values()]
    if metavar == "NAME[=VALUE]":
        return sorted(name for name in os.environ if _harmless(name))
    return []


def _ask(asked: str, target: str, key: str) -> list[dict[str, Any]]:
    """What the first daemon there is lists there, oldest first."""
    for path in sockets(argparse.Namespace(socket=asked)):
        connection = _connected(path)
        if connection is None:
            continue
        import json

        try:
            connection.sendall(request("GET", target))
            found: list[dict[str, Any]] = json.loads(Response(connection).read())[key]
        except (OSError, Broken, ValueError, KeyError, TypeError):
            return []
        finally:
            connection.close()
        return found
    return []


def _connected(path: str) -> socket.socket | None:
    import socket

    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection
