"""Printing the figures: a row when it is known, or all of them as JSON at the end."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .figures import Figure, Measured

_ROW = "{name:<8} {what:<44} {value:>9} {bound:>11}  {verdict:<5} {shown}"


class Table:
    """What was measured so far."""

    def __init__(self, suite: str, as_json: bool) -> None:
        self.over: list[str] = []
        self.failed: list[str] = []
        self._suite = suite
        self._as_json = as_json
        self._rows: list[dict[str, Any]] = []

    def add(self, figure: Figure, measured: Measured) -> None:
        holds = figure.holds(measured.value)
        if not holds:
            self.over.append(figure.name)
        self._rows.append(
            {
                "name": figure.name,
                "what": figure.what,
                "value": measured.value,
                "unit": figure.unit,
                "bound": figure.bound,
                "bound_is": "least" if figure.at_least else "most",
                "ok": holds,
                "standin": figure.standin,
                "values": measured.raw,
            }
        )
        value = f"{measured.value:.3g}{figure.unit:>3}"
        self._print(figure, value, "ok" if holds else "OVER", measured.shown)

    def fail(self, figure: Figure, problem: Exception) -> None:
        self.failed.append(figure.name)
        self._rows.append({"name": figure.name, "what": figure.what, "problem": str(problem)})
        self._print(figure, "-", "-", "")
        print(f"{figure.name} could not be measured: {problem}", file=sys.stderr)

    def finish(self) -> None:
        if self._as_json:
            print(json.dumps({"suite": self._suite, **_machine(), "figures": self._rows}, indent=2))
            return
        about = _machine()
        print(
            "* of stand-in sessions, not Claude Code. Ratios are of things timed in turn.\n"
            f"{self._suite}, Linux {about['kernel']}, {about['cpus']} CPUs, "
            f"load {about['load']:.1f} at the end"
        )
        if self.over:
            print(f"over: {', '.join(self.over)}")

    def _print(self, figure: Figure, value: str, verdict: str, shown: str) -> None:
        if self._as_json:
            return
        if len(self._rows) == 1:
            heads = {"name": "NAME", "what": "WHAT", "value": "VALUE", "bound": "BOUND"}
            print(_ROW.format(**heads, verdict="", shown="MADE OF"))
        sign = ">=" if figure.at_least else "<="
        print(
            _ROW.format(
                name=figure.name,
                what=figure.what + (" *" if figure.standin else ""),
                value=value,
                bound=f"{sign} {figure.bound:g}{figure.unit:>3}",
                verdict=verdict,
                shown=shown,
            ),
            flush=True,
        )


def _machine() -> dict[str, Any]:
    return {
        "kernel": os.uname().release,
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
