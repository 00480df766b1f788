"""A keeper outlives the files it was started from: upgrades replace them, a removal takes them."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import artac_daemon.keeper

_FILES = sorted(Path(artac_daemon.keeper.__file__).parent.rglob("*.py"))


# The first thing that main does, and only for a terminal or for a program.
_AT_ITS_START = (("main", "_attaching"), ("main", "_piping"))


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_a_keeper_imports_its_own_modules_at_its_start(file: Path) -> None:
    tree = ast.parse(file.read_text())
    allowed = list(tree.body)
    for part in tree.body:
        if isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING":
            allowed += part.body
        if isinstance(part, ast.FunctionDef) and (file.stem, part.name) in _AT_ITS_START:
            allowed += part.body
    for node in ast.walk(tree):
        if node in allowed:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module in sys.stdlib_module_names, node.lineno
        elif isinstance(node, ast.Import):
            assert {name.name for name in node.names} <= sys.stdlib_module_names, node.lineno
