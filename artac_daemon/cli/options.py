"""What the options of several verbs have in common: their parser, and kinds of values."""

from __future__ import annotations

import argparse
import os
from itertools import pairwise
from typing import NoReturn

from ..model.errors import ArtacError, ErrorKind

POLICIES = "no|on-failure|on-boot|on-failure,on-boot"


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        # argparse would import shutil to find the width, for every command, help or not.
        try:
            columns = os.get_terminal_size(1).columns or 80
        except OSError:
            columns = 80
        super().__init__(prog, width=min(100, columns) - 2)


class Parser(argparse.ArgumentParser):
    """One verb's options. A mistake in them is an ArtacError(USAGE) of one line."""

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(
            prog=f"artac {verb}",
            description=description,
            allow_abbrev=False,
            formatter_class=_Help,
        )
        self._verb = verb
        self.takes_rest = False  # whether words after -- are for another program
        # What an option without its =VALUE stands for. argparse's own way to have such an option
        # would take the next word, which is the prompt, for its value.
        self.bare: dict[str, str] = {}
        self.add_argument("--socket", metavar="PATH", help="the daemon's socket")

    def read(self, words: list[str]) -> argparse.Namespace:
        """The options in those words; `rest` has what follows -- if the verb passes it on."""
        rest: list[str] = []
        if self.takes_rest and "--" in words:
            at = words.index("--")
            words, rest = words[:at], words[at + 1 :]
        for word, following in pairwise(words):
            if word in self.bare and _is_duration(following):
                raise self._mistake(f"{word} takes its value with a =: {word}={following}")
        options = self.parse_args([self.bare.get(word, word) for word in words])
        options.rest = rest
        return options

    def error(self, message: str) -> NoReturn:
        raise self._mistake(message)

    def _mistake(self, message: str) -> ArtacError:
        return ArtacError(
            ErrorKind.USAGE, f"{self._verb}: {message} (see `artac {self._verb} --help`)"
        )


def _is_duration(text: str) -> bool:
    try:
        duration(text)
    except argparse.ArgumentTypeError:
        return False
    return True


def duration(text: str) -> float:
    """Seconds, from a duration such as systemd writes it."""
    from ..model.quantities import parse_duration

    try:
        return parse_duration(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration: write 500ms, 10s, 2min or '1h 30min'"
        ) from None


def count(text: str) -> int:
    """A whole number that is not negative."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def message_uuid(text: str) -> str:
    """A UUID, in lower case."""
    import re

    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r} is no UUID")
    return text.lower()


def add_json(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def usage(verb: str, problem: str) -> ArtacError:
    """The error for options that do not go together."""
    return ArtacError(ErrorKind.USAGE, f"{verb}: {problem} (see `artac {verb} --help`)")


def restart_policy(verb: str, text: str) -> list[str]:
    """The restart policies in a list of words; none for `no`."""
    words = [word for word in text.split(",") if word]
    if words == ["no"]:
        return []
    if not words or not set(words) <= {"on-failure", "on-boot"}:
        raise usage(verb, f"{text!r} is no restart policy: write no, or on-failure,on-boot")
    return words
