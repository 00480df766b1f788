"""Builds what machines need, at once and outside any test's time limit.

`python3 -m tests.support.prepare` for container machines, with `packages` for those that packages
are installed on as well, with `vm` for the virtual one; with `daemon` the SDKs of programs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.support import bare_tree, claude_code, nspawn, sdks, vm_disks, vm_qemu
from tests.support.tree import SUITES, tree

VM_SUITE = "bookworm"


def _wanted(part: str) -> list[Callable[[], object]]:
    if part == "daemon":
        return [claude_code.pinned, sdks.python, sdks.node]
    if part == "vm":
        if vm_qemu.unavailable_reason() is not None:
            # The tests themselves say so, each of them.
            return []
        return [vm_disks.kernel, lambda: vm_disks.root(VM_SUITE), vm_disks.claude]
    if nspawn.unavailable_reason() is not None:
        return []
    trees = [lambda suite=suite: tree(suite) for suite in SUITES]
    if part == "packages":
        trees += [lambda suite=suite: bare_tree.tree(suite) for suite in SUITES]
    return [*trees, claude_code.executable]


def main() -> None:
    part = sys.argv[1] if len(sys.argv) > 1 else "machine"
    with ThreadPoolExecutor() as builders:
        built = [builders.submit(build) for build in _wanted(part)]
    for what in built:
        if problem := what.exception():
            print(problem, file=sys.stderr)


if __name__ == "__main__":
    main()
