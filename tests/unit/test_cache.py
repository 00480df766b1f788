"""What a build that was cut short left is cleared away, and nothing that is mounted in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import cache


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_half_built_folder_is_built_again_and_mounts_in_it_are_spared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ARTAC_CACHE", str(tmp_path / "cache"))
    others = tmp_path / "others"
    others.mkdir()
    (others / "dear").write_text("to somebody")
    inside = cache.folder() / "thing" / "proc"
    inside.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(others), str(inside)], check=True)
    try:
        built = cache.build_once("thing", lambda place: (place / "done").touch())
    finally:
        subprocess.run(["umount", str(inside)], check=False, capture_output=True)
    assert [path.name for path in built.iterdir()] == ["done"]
    assert (others / "dear").read_text() == "to somebody"
