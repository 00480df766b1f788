"""The kinds of value a setting can have: how each is read, bounded and written."""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from .quantities import format_duration, format_size, parse_duration, parse_size

# What a configuration file holds before it has a meaning. Scalars stay as written, because
# YAML would make 18 of an umask 0022 and a boolean of a word such as `no`.
Raw: TypeAlias = "None | str | Sequence[Raw] | Mapping[str, Raw]"

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
_YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null"})
_LONGEST_QUOTE = 60


class Refused(ValueError):
    """A value is not of its kind. The text says, on one line, what was found."""


class HiddenValues(dict[str, str]):
    """Environment variables whose values may be secret: its repr shows names only."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: (hidden)" for name in self) + "}"


def shown(raw: Raw) -> str:
    """Say on one line what `raw` is; a long text is cut short."""
    if raw is None:
        return "nothing"
    if isinstance(raw, str):
        return repr(raw if len(raw) <= _LONGEST_QUOTE else raw[: _LONGEST_QUOTE - 3] + "...")
    return "a mapping" if isinstance(raw, Mapping) else "a list"


def _scalar(raw: Raw) -> str:
    if not isinstance(raw, str):
        raise Refused(shown(raw))
    return raw


def _strings(raw: Raw, accepts: Callable[[str], bool]) -> tuple[str, ...]:
    if raw is None or isinstance(raw, (str, Mapping)):
        raise Refused(shown(raw))
    strings = []
    for number, item in enumerate(raw, 1):
        if not isinstance(item, str) or not accepts(item):
            raise Refused(f"{shown(item)} as item {number}")
        strings.append(item)
    return tuple(strings)


def _passable(text: str) -> bool:
    """Whether an exec call can take `text` and a log or JSON reply can carry it."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _is_absolute(text: str) -> bool:
    return text.startswith("/") and text.isprintable()


class ValueKind(ABC, Generic[T]):
    """One kind of value."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """What completes the sentence "allowed: ..."."""

    def from_text(self, text: str) -> Raw:
        """Turn an environment variable or option into what YAML would hold; or Refused."""
        return text

    @abstractmethod
    def parse(self, raw: Raw) -> T:
        """Return the value that `raw` means; raises Refused and nothing else."""

    @abstractmethod
    def write(self, value: T) -> Raw:
        """Return the raw form that `parse` reads back as `value`."""


class Flag(ValueKind[bool]):
    allowed = "true or false (also yes/no, on/off, 1/0)"

    def parse(self, raw: Raw) -> bool:
        word = _scalar(raw).strip().lower()
        if word in {"true", "yes", "on", "1"}:
            return True
        if word in {"false", "no", "off", "0"}:
            return False
        raise Refused(shown(raw))

    def write(self, value: bool) -> Raw:
        return "true" if value else "false"


@dataclass(frozen=True)
class Whole(ValueKind[int]):
    lowest: int
    highest: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.lowest} to {self.highest}"

    def parse(self, raw: Raw) -> int:
        text = _scalar(raw).strip()
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", text) or not (
            self.lowest <= int(text) <= self.highest
        ):
            raise Refused(shown(raw))
        return int(text)

    def write(self, value: int) -> Raw:
        return str(value)


@dataclass(frozen=True)
class Size(ValueKind[int]):
    lowest: str
    highest: str

    @property
    def allowed(self) -> str:
        return f"a size from {self.lowest} to {self.highest}: bytes, or a number with K, M, G or T"

    def parse(self, raw: Raw) -> int:
        text = _scalar(raw)
        try:
            size = parse_size(text)
        except ValueError:
            raise Refused(shown(raw)) from None
        if not parse_size(self.lowest) <= size <= parse_size(self.highest):
            raise Refused(shown(raw))
        return size

    def write(self, value: int) -> Raw:
        return format_size(value)


@dataclass(frozen=True)
class Duration(ValueKind[float]):
    lowest: str
    highest: str

    @property
    def allowed(self) -> str:
        return (
            f"a duration from {self.lowest} to {self.highest}: seconds,"
            " or numbers with ms, s, min, h, d or w"
        )

    def parse(self, raw: Raw) -> float:
        text = _scalar(raw)
        try:
            seconds = parse_duration(text)
        except ValueError:
            raise Refused(shown(raw)) from None
        if not parse_duration(self.lowest) <= seconds <= parse_duration(self.highest):
            raise Refused(shown(raw))
        return seconds

    def write(self, value: float) -> Raw:
        return format_duration(value)


@dataclass(frozen=True)
class Choice(ValueKind[E]):
    members: type[E]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.members)

    def parse(self, raw: Raw) -> E:
        word = _scalar(raw).strip()
        if word not in list(self.members):
            raise Refused(shown(raw))
        return self.members(word)

    def write(self, value: E) -> Raw:
        return str(value)


class Mask(ValueKind[int]):
    allowed = "an octal file mode mask from 0000 to 0777"

    def parse(self, raw: Raw) -> int:
        text = _scalar(raw).strip()
        if not re.fullmatch(r"0?[0-7]{1,3}", text):
            raise Refused(shown(raw))
        return int(text, 8)

    def write(self, value: int) -> Raw:
        return f"{value:04o}"


class AbsolutePath(ValueKind[str]):
    allowed = 'an absolute path, or "" for the default place'

    def parse(self, raw: Raw) -> str:
        text = _scalar(raw)
        if text and not _is_absolute(text):
            raise Refused(shown(raw))
        return text

    def write(self, value: str) -> Raw:
        return value


class AccountName(ValueKind[str]):
    allowed = 'the name of a group, or "" for none'

    def parse(self, raw: Raw) -> str:
        text = _scalar(raw)
        if text and (not _ACCOUNT.fullmatch(text) or text.lower() in _YAML_WORDS):
            raise Refused(shown(raw))
        return text

    def write(self, value: str) -> Raw:
        return value


class TerminalSize(ValueKind[tuple[int, int]]):
    allowed = "COLUMNSxROWS such as 80x24, each from 1 to 9999"

    def parse(self, raw: Raw) -> tuple[int, int]:
        match = re.fullmatch(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})", _scalar(raw).strip())
        if match is None:
            raise Refused(shown(raw))
        return int(match[1]), int(match[2])

    def write(self, value: tuple[int, int]) -> Raw:
        return f"{value[0]}x{value[1]}"


class Words(ValueKind[tuple[str, ...]]):
    allowed = "a list of strings (in the environment: words as a shell would read them)"

    def from_text(self, text: str) -> Raw:
        try:
            return shlex.split(text)
        except ValueError:
            raise Refused(f"{shown(text)}, where a quote is not closed") from None

    def parse(self, raw: Raw) -> tuple[str, ...]:
        return _strings(raw, _passable)

    def write(self, value: tuple[str, ...]) -> Raw:
        return list(value)


class PathList(ValueKind[tuple[str, ...]]):
    allowed = "a list of absolute paths (in the environment: separated by colons)"

    def from_text(self, text: str) -> Raw:
        return text.split(":") if text else []

    def parse(self, raw: Raw) -> tuple[str, ...]:
        return _strings(raw, _is_absolute)

    def write(self, value: tuple[str, ...]) -> Raw:
        return list(value)


class Variables(ValueKind[HiddenValues]):
    """A mapping of environment variables. What it refuses never shows a value."""

    allowed = "a mapping of environment variable names to strings, in a YAML file"

    def parse(self, raw: Raw) -> HiddenValues:
        if not isinstance(raw, Mapping):
            raise Refused("a text" if isinstance(raw, str) else shown(raw))
        variables = HiddenValues()
        for name, value in raw.items():
            if not VARIABLE_NAME.fullmatch(name):
                raise Refused(f"the name {shown(name)}")
            if not isinstance(value, str):
                raise Refused(f"{shown(value)} as the value of {name}")
            if not _passable(value):
                raise Refused(f"a value of {name} that no environment can hold")
            variables[name] = value
        return variables

    def write(self, value: HiddenValues) -> Raw:
        return dict(value)
