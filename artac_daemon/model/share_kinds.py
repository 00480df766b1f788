"""The kinds of value that are a share of something."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .limit_kinds import Percent
from .quantities import format_size
from .setting_kinds import Raw, Refused, Size, ValueKind, shown

_PERCENT = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%\s*", re.ASCII)


class Share(ValueKind[float]):
    """A share in percent."""

    allowed = "a percentage from 0% to 100%"

    def parse(self, raw: Raw) -> float:
        match = _PERCENT.fullmatch(raw) if isinstance(raw, str) else None
        if match is None or float(match[1]) > 100:
            raise Refused(shown(raw))
        return float(match[1])

    def write(self, value: float) -> Raw:
        return f"{value:g}%"


@dataclass(frozen=True)
class SizeOrShare(ValueKind[int | Percent]):
    """A size in bytes, or a share of whatever the setting is about."""

    highest: str

    @property
    def allowed(self) -> str:
        return f"{Share.allowed}, or {Size('0', self.highest).allowed}"

    def parse(self, raw: Raw) -> int | Percent:
        if isinstance(raw, str) and raw.rstrip().endswith("%"):
            return Percent(Share().parse(raw))
        return Size("0", self.highest).parse(raw)

    def write(self, value: int | Percent) -> Raw:
        return format_size(value) if isinstance(value, int) else Share().write(value.value)
