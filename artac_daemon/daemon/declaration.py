"""Between the text of a file in sessions.d and the request to start what it describes."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ..claude import command
from ..host import config_text, declared_files
from ..host.yaml_file import Entry, parse_yaml
from ..model.declaration import KEYS, Declaration, Start
from ..model.errors import ArtacError, ErrorKind
from ..model.session import LaunchRequest, Restart, check_name
from ..model.setting_kinds import Refused
from ..model.setting_layers import config_error, suggestion
from . import requests

# Of a request that nothing is wrong with; each key is checked beside it alone, for its line's sake.
_PLAIN = {"cwd": "/"}


def read(directory: Path, name: str) -> Declaration | None:
    """What a file says; None when there is none. ArtacError(CONFIG) of one line for a wrong one."""
    path = declared_files.place(directory, name)
    try:
        check_name(name)
    except ArtacError as error:
        raise config_error(path, error.message) from None
    text = declared_files.read(directory, name)
    if text is None:
        return None
    declaration = parse(name, str(path), text.content)
    if declaration.request.env and config_text.exposed(Path(path), text.status):
        mode = stat.S_IMODE(text.status.st_mode)
        mend = config_text.closing(path, text.status)
        raise config_error(path, f"mode {mode:04o} lets other users read env; run: {mend}")
    return declaration


def parse(name: str, path: str, text: str) -> Declaration:
    """The declaration in a text; `path` is for messages."""
    entries = parse_yaml(path, text)
    lines = {entry.key: entry.line for entry in entries}
    body: dict[str, Any] = {}
    for entry in entries:
        body[entry.key] = _value(path, entry)
    if "cwd" not in body:
        raise config_error(path, f"cwd is missing; allowed: {KEYS['cwd'].allowed}")  # type: ignore[union-attr]
    start = body.pop("start", Start.MANUAL)
    restart: tuple[Restart, ...] = body.pop("restart", ())
    try:
        request = _request(body)
    except ArtacError as error:
        # What does not go together, which a terminal's prompt is.
        line = lines.get(error.message.partition(":")[0].partition(" ")[0], 1)
        raise config_error(f"{path}:{line}", error.message) from None
    request = replace(request, name=name, declared=name, restart=restart)
    return Declaration(name, path, request, start)


def _value(path: str, entry: Entry) -> Any:
    place, key = f"{path}:{entry.line}", entry.key
    if key not in KEYS:
        hint = suggestion(key, KEYS) or f"; allowed: {', '.join(KEYS)}"
        raise config_error(place, f"unknown key {key!r}{hint}")
    if entry.raw is None:
        raise config_error(place, f"{key}: found nothing; leave the key out, or give a value")
    kind, value = KEYS[key], entry.raw
    if kind is not None:
        try:
            value = kind.parse(value)
        except Refused as refused:
            raise config_error(place, f"{key}: found {refused}; allowed: {kind.allowed}") from None
    if key not in ("start", "restart"):
        try:
            _request({**_PLAIN, key: value})
        except ArtacError as error:
            raise config_error(place, error.message) from None
    return value


def _request(body: Mapping[str, Any]) -> LaunchRequest:
    request = requests.launch({**body, "cwd": os.path.expanduser(body["cwd"])})
    command.check_args(request.claude_args)
    return request


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # they are not allowed in such a file

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    lines = text.split("\n")
    style = "|" if len(lines) > 1 else None
    if not all(map(str.isprintable, lines)):
        style = '"'  # a line break of another kind would come back as a space
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


def render(name: str, content: Mapping[str, Any]) -> str:
    """A file's text, from keys and values as a request of the API has them.

    ArtacError(USAGE) for what a file cannot say.
    """
    check_name(name)
    given = {key: value for key, value in content.items() if value not in (None, "", [], {})}
    ordered = {key: given.pop(key) for key in KEYS if key in given}
    if given:
        allowed = ", ".join(KEYS)
        raise ArtacError(
            ErrorKind.USAGE, f"a declared session has no key {min(given)!r}; allowed: {allowed}"
        )
    try:
        text = yaml.dump(ordered, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
        parse(name, name, text)
    except ArtacError as error:
        raise ArtacError(ErrorKind.USAGE, error.message) from None
    except (yaml.YAMLError, RecursionError, UnicodeError):
        raise ArtacError(ErrorKind.USAGE, "the request is nested too deeply for a file") from None
    return text
