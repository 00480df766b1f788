"""Reads a YAML settings file into keys, values as written, and lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ..model.setting_kinds import Raw, shown
from ..model.setting_layers import config_error

_CORE = "tag:yaml.org,2002:"
# The tags YAML itself gives to what is written without any.
_PLAIN_TAGS = frozenset(
    _CORE + name
    for name in ("str", "int", "float", "bool", "timestamp", "merge", "value", "seq", "map")
)
_DEEPEST = 6


class Entry(NamedTuple):
    """One top-level key of a file; `line` counts from 1."""

    key: str
    raw: Raw
    line: int


class _Loader(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        if self.depth >= _DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _pairs(place: str, node: MappingNode) -> Iterator[tuple[str, Node, int]]:
    seen: dict[str, int] = {}
    for name, value in node.value:
        line = _line(name)
        if not isinstance(name, ScalarNode):
            raise config_error(f"{place}:{line}", "found a list or mapping as a key")
        key = str(name.value)
        if key in seen:
            problem = f"duplicate key {shown(key)}; first on line {seen[key]}"
            raise config_error(f"{place}:{line}", problem)
        seen[key] = line
        yield key, value, line


def _raw(place: str, node: Node) -> Raw:
    if node.tag == _CORE + "null":
        return None
    if node.tag not in _PLAIN_TAGS:
        raise config_error(f"{place}:{_line(node)}", f"the tag {shown(node.tag)} is not allowed")
    if isinstance(node, MappingNode):
        return {key: _raw(place, value) for key, value, _ in _pairs(place, node)}
    if isinstance(node, SequenceNode):
        return [_raw(place, item) for item in node.value]
    return str(node.value)


def _compose(place: str, text: str) -> Node | None:
    try:
        return yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or error.context or "cannot be read"
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = "a control character is not allowed"
    except (yaml.YAMLError, ValueError, OverflowError):
        # PyYAML lets these escape for some escape sequences and directives.
        line, problem = 1, "cannot be read"
    raise config_error(f"{place}:{line}", f"bad YAML syntax: {problem}")


def parse_yaml(place: str, text: str) -> list[Entry]:
    """Return the entries of `text` in their order; an empty document has none.

    `place` is the file's name for messages. Raises ArtacError(CONFIG).
    """
    root = _compose(place, text)
    if root is None or (root.tag == _CORE + "null" and root.value == ""):
        return []
    if not isinstance(root, MappingNode) or root.tag != _CORE + "map":
        found = shown(_raw(place, root))
        problem = f"found {found}; allowed: a mapping of settings, `key: value`"
        raise config_error(f"{place}:{_line(root)}", problem)
    return [Entry(key, _raw(place, value), line) for key, value, line in _pairs(place, root)]
