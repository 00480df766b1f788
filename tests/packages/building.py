"""The packages as `make deb` and `make rpm` build them, and next versions for upgrades."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support import cache
from tests.support.system_packages import BUILDERS

NEXT = "99.1"


@dataclass(frozen=True)
class Built:
    folder: Path
    deb: str
    next_deb: str
    rpm: str
    next_rpm: str


def missing_tools() -> str | None:
    missing = {package for program, package in BUILDERS.items() if shutil.which(program) is None}
    if missing:
        return f"packages cannot be built without {', '.join(sorted(missing))} (`make deps`)"
    return None


def make(kind: str, folder: Path, version: str = "") -> str:
    """The name of the package that packaging/make-KIND put into that folder."""
    command = [str(cache.PROJECT / f"packaging/make-{kind}"), str(folder)]
    done = subprocess.run(
        [*command, version] if version else command, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise RuntimeError(f"make {kind}: {(done.stdout + done.stderr)[-4000:]}")
    return Path(done.stdout.split()[-1]).name


def build_packages(folder: Path) -> Built:
    # Bound into machines, where others than root read it.
    folder.chmod(0o755)
    deb = make("deb", folder)
    rpm, next_rpm = make("rpm", folder), make("rpm", folder, NEXT)
    return Built(folder, deb, next_deb(folder, deb), rpm, next_rpm)


def next_deb(folder: Path, deb: str) -> str:
    """The package again as a later version, whose configuration files have changed."""
    tree, name = folder / "next", f"artac_{NEXT}-1_all.deb"
    subprocess.run(["dpkg-deb", "-R", folder / deb, tree], check=True)
    _edit(tree / "DEBIAN/control", "\nVersion: ", NEXT + "-1")
    about = tree / "usr/lib/python3/dist-packages/artac_daemon/__init__.py"
    _edit(about, "\n__version__ = ", f'"{NEXT}"')
    for shipped in ("artac.yaml", "artac.yaml.d/10-system.yaml"):
        with (tree / "etc/artac" / shipped).open("a") as configuration:
            configuration.write(f"# as of {NEXT}\n")
    build = ["dpkg-deb", "--root-owner-group", "-b", tree, folder / name]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return name


def _edit(path: Path, before: str, value: str) -> None:
    text = path.read_text()
    start = text.index(before) + len(before)
    path.write_text(text[:start] + value + text[text.index("\n", start) :])
