"""Imports go down only, as HACKING.md says, and never in a circle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import artac_daemon

PACKAGE = "artac_daemon"
ROOT = Path(artac_daemon.__file__).parent
FILES = {
    ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in ROOT.rglob("*.py")
}

LEAVES = {
    f"keeper.{leaf}"
    for leaf in ("wire", "record", "journal", "output", "tree", "counters", "sizes")
}
# A client paints from the same model of the screen that the keeper has.
SCREEN = {f"keeper.vt.{part}" for part in ("terminal", "painting")}
# Per room: the rooms it may import whole, and the single modules beside them.
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "client_sockets": (set(), set()),
    "model": ({"model"}, set()),
    "keeper": ({"keeper"}, set()),
    "claude": ({"claude", "model"}, set()),
    "host": ({"host", "model"}, {*LEAVES, "client_sockets"}),
    # "keeper" itself: where its __main__ is; "" is the version.
    "daemon": ({"daemon", "claude", "host", "model"}, {*LEAVES, "keeper", ""}),
    "client": ({"client", "host", "model"}, {"client_sockets"}),
    "cli": (
        {"cli", "client", "claude", "host", "model"},
        {*LEAVES, *SCREEN, "client_sockets", ""},
    ),
}


def imported(module: str) -> Iterator[str]:
    """Every module that a module imports, wherever in it, by its full name."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in FILES else base


def ours(module: str) -> set[str]:
    """The imports of that module that are of this package, without the package's name."""
    return {
        name.removeprefix(PACKAGE).removeprefix(".")
        for name in imported(module)
        if name == PACKAGE or name.startswith(f"{PACKAGE}.")
    }


def rooms() -> list[str]:
    return sorted({name.split(".")[1] for name in FILES if "." in name})


def test_every_room_has_its_rule() -> None:
    assert set(rooms()) == set(ALLOWED)


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    whole, single = ALLOWED[room]
    wrong = [
        f"{module} imports {name or PACKAGE}"
        for module in sorted(FILES)
        if module.startswith(f"{PACKAGE}.{room}.") or module == f"{PACKAGE}.{room}"
        for name in sorted(ours(module))
        if name.split(".")[0] not in whole and name not in single
    ]
    assert not wrong


def test_the_keeper_needs_nothing_but_the_standard_library() -> None:
    foreign = [
        f"{module} imports {name}"
        for module in sorted(FILES)
        if module.startswith(f"{PACKAGE}.keeper")
        for name in imported(module)
        if name.split(".")[0] not in {*sys.stdlib_module_names, PACKAGE}
    ]
    assert not foreign


def test_the_keepers_leaves_depend_on_no_module_but_leaves() -> None:
    wrong = {leaf: ours(f"{PACKAGE}.{leaf}") - LEAVES for leaf in LEAVES}
    assert not {leaf: names for leaf, names in wrong.items() if names}


def test_the_model_of_the_screen_depends_on_nothing_but_itself() -> None:
    parts = [module for module in FILES if module.startswith(f"{PACKAGE}.keeper.vt.")]
    assert {f"{PACKAGE}.{part}" for part in SCREEN} <= set(parts)
    names = {name for part in parts for name in ours(part)}
    assert names <= {part.removeprefix(f"{PACKAGE}.") for part in parts} | {"keeper.vt"}


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: {f"{PACKAGE}.{name}".rstrip(".") for name in ours(module)} for module in FILES}
    # A package's own __init__ is imported by all that is in it; it imports nothing.
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_imports_of_every_form_are_seen() -> None:
    """What the other tests look at is there: they would pass over an empty list, too."""
    assert {"host.cgroups", "keeper.wire", "model.errors", ""} <= set().union(*map(ours, FILES))
    assert "keeper.record" in ours(f"{PACKAGE}.host.store")
    assert "daemon.access" in ours(f"{PACKAGE}.daemon.api")
    assert "host.doctor" in ours(f"{PACKAGE}.daemon.lifecycle")  # from within a function
    assert "keeper.main" in ours(f"{PACKAGE}.keeper.__main__")
