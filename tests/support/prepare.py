"""Builds what container machines need, at once and outside any test's time limit.

`python3 -m tests.support.prepare packages` adds the machines that packages are installed on.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

from tests.support import bare_tree, claude_code
from tests.support.nspawn import unavailable_reason
from tests.support.tree import SUITES, tree


def main() -> None:
    if unavailable_reason() is not None:
        # The tests themselves say so, each of them.
        return
    with ThreadPoolExecutor() as builders:
        built = [builders.submit(tree, suite) for suite in SUITES]
        if "packages" in sys.argv[1:]:
            built += [builders.submit(bare_tree.tree, suite) for suite in SUITES]
        built.append(builders.submit(claude_code.executable))
    for what in built:
        if problem := what.exception():
            print(problem, file=sys.stderr)


if __name__ == "__main__":
    main()
