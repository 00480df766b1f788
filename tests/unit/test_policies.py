"""What a directory's policy gives a session, and what it never does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artac_daemon.claude import command
from artac_daemon.daemon.policies import Terms, terms
from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.session import LaunchRequest
from artac_daemon.model.setting_layers import Given, Layer, Origin, merge
from artac_daemon.model.settings import Settings

ALICE, ROOT = 1000, 0


def settings(*policies: Any, **others: str) -> Settings:
    given = {"policies": list(policies), **others}
    return merge(
        Given(key, raw, Origin(Layer.YAML, "artac.yaml:1")) for key, raw in given.items()
    ).settings


def refused(*policies: Any) -> str:
    with pytest.raises(ArtacError) as error:
        settings(*policies)
    assert error.value.kind is ErrorKind.CONFIG
    return error.value.message


def test_the_nearest_root_counts_alone(tmp_path: Path) -> None:
    (tmp_path / "src/billing/deep").mkdir(parents=True)
    (tmp_path / "src-other").mkdir()
    configured = settings(
        {
            "root": str(tmp_path / "src"),
            "permission_mode": "acceptEdits",
            "allowed_tools": ["Bash"],
        },
        {"root": f"{tmp_path}/src/billing/", "denied_tools": ["WebFetch"]},
        permission_mode="plan",
    )

    def at(place: str, **asked: Any) -> Terms:
        cwd = str(tmp_path / place)
        return terms(configured, LaunchRequest(cwd=cwd, **asked), cwd, ALICE)

    assert at("src") == Terms("acceptEdits", ("Bash",), ())
    assert at("src/billing/deep") == Terms("plan", (), ("WebFetch",))
    assert at("src-other") == at(".") == Terms("plan", (), ())
    own = at("src/billing", permission_mode="dontAsk", allowed_tools=("WebFetch",))
    assert own == Terms("dontAsk", ("WebFetch",), ("WebFetch",))


def test_a_link_does_not_lead_out_of_a_policy(tmp_path: Path) -> None:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    configured = settings({"root": str(tmp_path / "link"), "denied_tools": ["Bash"]})
    cwd = str(tmp_path / "real/deep")
    assert terms(configured, LaunchRequest(cwd=cwd), cwd, ALICE).denied_tools == ("Bash",)


def test_links_are_resolved_before_lengths_are_compared(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a-very-long-name-of-a-link").symlink_to("a")
    configured = settings(
        {"root": str(tmp_path / "a-very-long-name-of-a-link"), "permission_mode": "plan"},
        {"root": str(tmp_path / "a/b"), "permission_mode": "dontAsk"},
    )
    cwd = str(tmp_path / "a/b")
    assert terms(configured, LaunchRequest(cwd=cwd), cwd, ALICE).permission_mode == "dontAsk"


def test_only_a_policy_ends_all_asking_and_never_for_root(tmp_path: Path) -> None:
    cwd = str(tmp_path)
    configured = settings({"root": cwd, "permission_mode": "bypassPermissions"})
    request = LaunchRequest(cwd=cwd)
    assert terms(configured, request, cwd, ALICE).permission_mode == "bypassPermissions"
    assert terms(configured, request, "/", ALICE).permission_mode == "default"
    with pytest.raises(ArtacError) as error:
        terms(configured, request, cwd, ROOT)
    assert error.value.kind is ErrorKind.DENIED and "root" in error.value.message
    careful = LaunchRequest(cwd=cwd, permission_mode="plan")
    assert terms(configured, careful, cwd, ROOT).permission_mode == "plan"
    with pytest.raises(ArtacError):
        settings(permission_mode="bypassPermissions")
    for words in (["--permission-mode=bypassPermissions"], ["--dangerously-skip-permissions"]):
        with pytest.raises(ArtacError):
            command.check_args(tuple(words))


def test_mistakes_are_told_in_one_line() -> None:
    assert "found nothing as root of item 1" in refused({"permission_mode": "plan"})
    assert "'src' as root of item 1" in refused({"root": "src"})
    assert "the key 'mode' in item 2" in refused({"root": "/a"}, {"root": "/b", "mode": "plan"})
    assert "'sudo' as permission_mode" in refused({"root": "/a", "permission_mode": "sudo"})
    assert "'Bash' as denied_tools of item 1" in refused({"root": "/a", "denied_tools": "Bash"})
    assert "'--x' in allowed_tools" in refused({"root": "/a", "allowed_tools": ["--x"]})
    assert "again as item 2" in refused({"root": "/a/"}, {"root": "/a"})
    assert "'/a' as item 1" in refused("/a")
