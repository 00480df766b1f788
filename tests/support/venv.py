"""The virtual environment tests and linters run in; `python3 -m` this prints its Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support import cache


def requirements() -> list[str]:
    """What pyproject.toml says the project and its development need."""
    project = tomllib.loads((cache.PROJECT / "pyproject.toml").read_text())["project"]
    development: list[str] = project.get("optional-dependencies", {}).get("dev", [])
    return sorted({*project.get("dependencies", []), *development})


def python() -> Path:
    wanted = requirements()
    key = cache.key(sys.version, sys.base_prefix, *wanted)
    return cache.build_once(f"venv-{key}", lambda place: _build(place, wanted)) / "bin/python"


def _build(place: Path, wanted: list[str]) -> None:
    print("making the virtual environment, once …", file=sys.stderr, flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(place)], stdout=sys.stderr)
    if made.returncode != 0:
        shutil.rmtree(place, ignore_errors=True)
        sys.exit("no virtual environment can be made: install python3-venv (`make deps`)")
    pip = [str(place / "bin/python"), "-m", "pip", "install", "--quiet"]
    if subprocess.run([*pip, *wanted], stdout=sys.stderr).returncode != 0:
        sys.exit("pip could not install what pyproject.toml asks for")


if __name__ == "__main__":
    print(python())
