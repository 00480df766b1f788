"""What this host can't run is skipped aloud; with CI=true the skip is a failure."""

from __future__ import annotations

import os

import pytest

MARK = "not run here: "


def require(unavailable_reason: str | None) -> None:
    if unavailable_reason is not None:
        pytest.skip(MARK + unavailable_reason)


def all_required() -> bool:
    return os.environ.get("CI", "").lower() in ("true", "1", "yes")
