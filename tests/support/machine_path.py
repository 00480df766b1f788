"""Finding from the host what is at a path inside a container machine."""

from __future__ import annotations

import os
from pathlib import Path


def resolve(root: Path, inside: str | os.PathLike[str]) -> Path:
    """The kernel would follow an absolute symbolic link from the host's root."""
    walked = Path("/")
    ahead = [part for part in reversed(Path(inside).parts) if part != "/"]
    for _ in range(1000):
        if not ahead:
            return root / walked.relative_to("/")
        part = ahead.pop()
        if part == "..":
            walked = walked.parent
            continue
        here = root / walked.relative_to("/") / part
        if not here.is_symlink():
            walked /= part
            continue
        target = here.readlink()
        if target.is_absolute():
            walked = Path("/")
        ahead += [step for step in reversed(target.parts) if step != "/"]
    raise OSError(f"too many symbolic links: {inside}")
