"""The packages themselves: by the rules of their distributions, and out of a clean checkout."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.packages.building import Built, make
from tests.support import bare_tree, cache

PACKAGING = cache.PROJECT / "packaging"


def test_lintian_has_nothing_to_say(built: Built) -> None:
    command = ["lintian", "--allow-root", "--fail-on=error,warning", built.folder / built.deb]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_rpmlint_has_nothing_to_say(built: Built) -> None:
    rules = PACKAGING / "rpm/rpmlint.toml"
    command = ["rpmlint", "--config", rules, built.folder / built.rpm]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "0 errors, 0 warnings" in done.stdout, done.stdout + done.stderr


def test_a_package_between_releases_leaves_the_checkout_as_it_was(
    built: Built, tmp_path: Path
) -> None:
    before = _status()
    # 1.2rc1 comes before 1.2; for dpkg that is 1.2~rc1.
    assert make("deb", tmp_path, "1.2rc1") == "artac_1.2~rc1-1_all.deb"
    assert _status() == before
    with pytest.raises(RuntimeError, match="VERSION=one is no version"):
        make("deb", tmp_path, "one")
    assert [path.name for path in tmp_path.iterdir()] == ["artac_1.2~rc1-1_all.deb"]


def _status() -> str:
    command = ["git", "-c", f"safe.directory={cache.PROJECT}", "status", "--short", "--ignored"]
    done = subprocess.run(command, cwd=cache.PROJECT, capture_output=True, text=True, check=True)
    return "\n".join(line for line in done.stdout.splitlines() if "cache" not in line)


def test_packages_depend_on_what_the_project_depends_on() -> None:
    project = tomllib.loads((cache.PROJECT / "pyproject.toml").read_text())["project"]
    wanted = {
        _package(name): bounds
        for name, bounds in (_split(entry) for entry in project["dependencies"])
    }
    assert _bounds(", ".join(bare_tree.depends())) == wanted
    spec = (PACKAGING / "rpm/artac.spec").read_text()
    required = " ".join(re.findall(r"^Requires:(.*)$", spec, re.MULTILINE))
    assert _bounds(required.replace("pyyaml", "yaml")) == wanted


def _split(entry: str) -> tuple[str, set[str]]:
    found = re.match(r"[\w-]+", entry)
    assert found is not None
    return found[0], set(entry[found.end() :].split(","))


def _package(name: str) -> str:
    return "python3-" + name.lower().removeprefix("python-").removeprefix("py")


def _bounds(text: str) -> dict[str, set[str]]:
    """Per python3-* package the bounds in there, as pyproject.toml writes them."""
    found: dict[str, set[str]] = {}
    for name, sign, version in re.findall(r"(python3-\w+) \(?(>=|<<?) ([\d.]+)", text):
        found.setdefault(name, set()).add(sign.replace("<<", "<") + version)
    return found


def test_needrestart_leaves_the_services_alone() -> None:
    script = """
        $nrconf{override_rc} = {};
        eval do { local (@ARGV, $/) = shift @ARGV; <> }; die $@ if $@;
        for my $unit (@ARGV) {
            print "$unit\\n" if grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
        }"""
    ours = ["artac.service", "artac@alice.service", "artac-session@nightly.service"]
    units = (*ours, "artac-other.service", "dbus.service")
    command = ["perl", "-e", script, str(PACKAGING / "needrestart.conf"), *units]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ours
