"""What `make install` writes, as a folder to lay over the tree of a machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support import cache, claude_code


def lay(layer: Path) -> None:
    """Install artac below that folder, as a package would below /."""
    # It becomes the machine's / and others than root have to get in.
    layer.chmod(0o755)
    command = ["make", "--no-print-directory", "install", f"DESTDIR={layer}", "PREFIX=/usr"]
    subprocess.run(command, cwd=cache.PROJECT, check=True, stdout=subprocess.DEVNULL)


def lay_claude(layer: Path) -> None:
    """Put the real Claude Code, which is bound into the machine, into its PATH."""
    link = layer / "usr/local/bin/claude"
    link.parent.mkdir(parents=True)
    link.symlink_to(claude_code.INSIDE)
