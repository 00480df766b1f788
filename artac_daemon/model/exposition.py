"""Metrics in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Type(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass
class Family:
    """One metric. A counter's name ends in `_total`; units are seconds, bytes and ratios."""

    name: str
    type: Type
    help: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        """Add a sample; None, for what is not known, adds none."""
        if value is not None:
            self.samples.append((labels, value))


def render(families: Iterable[Family]) -> str:
    """The page. A family without a sample is left out."""
    lines: list[str] = []
    for family in families:
        if family.samples:
            lines.append(f"# HELP {family.name} {_escaped(family.help)}")
            lines.append(f"# TYPE {family.name} {family.type}")
            lines += [_line(family.name, labels, value) for labels, value in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, labels: Labels, value: float) -> str:
    pairs = [f'{key}="{_escaped(text, quotes=True)}"' for key, text in labels.items()]
    return f"{name}{_braced(pairs)} {value!r}"


def _braced(pairs: Sequence[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escaped(text: str, quotes: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text
