"""Handing controllers down, over files as the kernel has them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from artac_daemon.host import limits
from artac_daemon.model.errors import ArtacError
from artac_daemon.model.limits import Limits, read


@pytest.fixture
def service(tmp_path: Path) -> Any:
    for directory in (tmp_path, tmp_path / "sessions", tmp_path / "daemon"):
        directory.mkdir(exist_ok=True)
        (directory / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
        (directory / "cgroup.subtree_control").write_text("")
    return SimpleNamespace(directory=tmp_path, sessions=tmp_path / "sessions")


def test_a_controller_that_is_refused_is_not_taken_for_one_in_effect(service: Any) -> None:
    for directory in (service.directory, service.sessions):
        (directory / "cgroup.subtree_control").unlink()
        (directory / "cgroup.subtree_control").mkdir()  # EISDIR, where the kernel has EBUSY
    assert limits.enable(service) == frozenset()


def test_a_value_that_the_kernel_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "memory.max").mkdir()
    with pytest.raises(ArtacError, match=r"kernel refused memory\.max=104857600: ") as refused:
        limits.bound(tmp_path, Limits(**read({"memory": "100M"})))
    assert "\n" not in refused.value.message


def test_what_has_no_controller_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "pids.max").write_text("max\n")
    limits.bound(tmp_path, Limits(**read({"memory": "100M", "tasks": "50"})))
    assert (tmp_path / "pids.max").read_text().startswith("50")
    assert [path.name for path in tmp_path.iterdir()] == ["pids.max"]
