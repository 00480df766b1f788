"""The kinds of value that settings of notifications have."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from .setting_kinds import Raw, Refused, ValueKind, Words, shown

E = TypeVar("E", bound=StrEnum)

# A name or an address, as a URL has it; no percent signs, no zone of an IPv6 address.
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]+")


class Desktop(StrEnum):
    """When the desktop of the account is told."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


@dataclass(frozen=True)
class Choices(ValueKind[tuple[E, ...]], Generic[E]):
    """Any number of names, each once, in the order of the table."""

    members: type[E]

    @property
    def allowed(self) -> str:
        names = ", ".join(self.members)
        return f"a list of {names} (in the environment: separated by commas)"

    def from_text(self, text: str) -> Raw:
        return [word.strip() for word in text.split(",")] if text.strip() else []

    def parse(self, raw: Raw) -> tuple[E, ...]:
        words = Words().parse(raw)
        for word in words:
            if word not in list(self.members):
                raise Refused(shown(word))
        return tuple(member for member in self.members if member.value in words)

    def write(self, value: tuple[E, ...]) -> Raw:
        return [str(member) for member in value]


class Program(Words):
    """A program and its arguments, run without a shell."""

    allowed = (
        "a list of strings, the first the absolute path of a program"
        " (in the environment: words as a shell would read them)"
    )

    def parse(self, raw: Raw) -> tuple[str, ...]:
        words = super().parse(raw)
        if words and not (words[0].startswith("/") and words[0].isprintable()):
            raise Refused(f"{shown(words[0])} as item 1")
        return words


class WebhookUrl(ValueKind[str]):
    """Where to post; what is posted is readable on the way only where that is this machine."""

    allowed = 'an https URL without user and password, an http one of the loopback, or "" for none'

    def parse(self, raw: Raw) -> str:
        if not isinstance(raw, str):
            raise Refused(shown(raw))
        text = raw.strip()
        if text and not _is_allowed(text):
            # Not what it was: whoever writes a password into a URL wants no log to have it.
            raise Refused("another URL")
        return text

    def write(self, value: str) -> Raw:
        return value


def host_of(url: str) -> str:
    """Where a parsed URL leads, for people: what follows the host may be nobody's business."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_allowed(text: str) -> bool:
    if not text.isascii() or any(not char.isprintable() or char in ' "<>\\^`{|}#' for char in text):
        return False
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in parts.netloc or not _HOST.fullmatch(host) or port == 0:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
