"""What sessions may do in a directory and below it, where their start does not say otherwise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Of one root. An empty `permission_mode` is that of the setting."""

    root: str
    permission_mode: str = ""
    allowed_tools: tuple[str, ...] = ()
    denied_tools: tuple[str, ...] = ()
