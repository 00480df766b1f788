"""The kind of value that the setting `policies` has."""

from __future__ import annotations

from collections.abc import Mapping

from .permission import BYPASS, PermissionMode
from .policy import Policy
from .setting_kinds import Raw, Refused, ValueKind, shown

_KEYS = ("root", "permission_mode", "allowed_tools", "denied_tools")
_MODES = (*(mode.value for mode in PermissionMode), BYPASS)


class Policies(ValueKind[tuple[Policy, ...]]):
    """A list of policies, each of a root of its own."""

    allowed = (
        "a list of mappings with root, an absolute path, and any of permission_mode "
        f"({', '.join(_MODES)}), allowed_tools and denied_tools (lists of texts), in a YAML file"
    )

    def parse(self, raw: Raw) -> tuple[Policy, ...]:
        if raw is None or isinstance(raw, (str, Mapping)):
            raise Refused(shown(raw))
        policies = tuple(_policy(item, f"item {number}") for number, item in enumerate(raw, 1))
        roots = [policy.root for policy in policies]
        for number, root in enumerate(roots, 1):
            if root in roots[: number - 1]:
                raise Refused(f"the root {shown(root)} again as item {number}")
        return policies

    def write(self, value: tuple[Policy, ...]) -> Raw:
        return [_written(policy) for policy in value]


def _policy(raw: Raw, where: str) -> Policy:
    if not isinstance(raw, Mapping):
        raise Refused(f"{shown(raw)} as {where}")
    for key in raw:
        if key not in _KEYS:
            raise Refused(f"the key {shown(key)} in {where}")
    root, mode = raw.get("root"), raw.get("permission_mode", "")
    if not isinstance(root, str) or not root.startswith("/") or not root.isprintable():
        raise Refused(f"{shown(root)} as root of {where}")
    if not isinstance(mode, str) or ("permission_mode" in raw and mode not in _MODES):
        raise Refused(f"{shown(mode)} as permission_mode of {where}")
    # "/src" and "/src/" are one root.
    return Policy(
        root=root.rstrip("/") or "/",
        permission_mode=mode,
        allowed_tools=_tools(raw, "allowed_tools", where),
        denied_tools=_tools(raw, "denied_tools", where),
    )


def _tools(raw: Mapping[str, Raw], key: str, where: str) -> tuple[str, ...]:
    given = raw.get(key, ())
    if given is None or isinstance(given, (str, Mapping)):
        raise Refused(f"{shown(given)} as {key} of {where}")
    tools = []
    for item in given:
        # They become one argument of Claude's, in which a word with "-" would be an option.
        fits = isinstance(item, str) and item.isprintable() and item.strip()
        if not isinstance(item, str) or not fits or item.startswith("-"):
            raise Refused(f"{shown(item)} in {key} of {where}")
        tools.append(item)
    return tuple(tools)


def _written(policy: Policy) -> Raw:
    written: dict[str, Raw] = {"root": policy.root}
    if policy.permission_mode:
        written["permission_mode"] = policy.permission_mode
    if policy.allowed_tools:
        written["allowed_tools"] = list(policy.allowed_tools)
    if policy.denied_tools:
        written["denied_tools"] = list(policy.denied_tools)
    return written
