"""Makes what could not be run here impossible to overlook."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.support import capability

# On a busy machine any example may take long, which says nothing. With CI set Hypothesis has a
# profile of its own, without deadlines as well.
if "CI" not in os.environ:
    settings.register_profile(
        "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("patient")

_not_run = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_not_run] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith(capability.MARK):
            counts = item.config.stash[_not_run]
            reason = reason.removeprefix(capability.MARK)
            counts[reason] = counts.get(reason, 0) + 1
            if capability.all_required():
                report.outcome = "failed"
                report.longrepr = f"CI=true, and yet {capability.MARK}{reason}"
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = [
        f"{count} test{'s' if count > 1 else ''}: {reason}"
        for reason, count in config.stash[_not_run].items()
    ]
    if not lines:
        return
    terminalreporter.section("NOT RUN HERE", yellow=True, bold=True)
    for line in lines:
        terminalreporter.line(line)
    # `make test` tells once more at its end what its parts could not run.
    if collected := os.environ.get("NOT_RUN_NOTES"):
        with open(collected, "a") as notes:
            notes.writelines(f"{line}\n" for line in lines)
