"""The kind of setting that names a TCP address to listen on, of the loopback only."""

from __future__ import annotations

import re

from .setting_kinds import Raw, Refused, ValueKind, shown

_ADDRESS = re.compile(r"(127(?:\.(?:0|[1-9][0-9]{0,2})){3}|\[::1\]):([1-9][0-9]{0,4})")
_LARGEST_PORT = 65535


class LoopbackAddress(ValueKind[str]):
    allowed = (
        'a loopback address with a port, such as 127.0.0.1:9464 or "[::1]:9464", or "" for none'
    )

    def parse(self, raw: Raw) -> str:
        if not isinstance(raw, str):
            raise Refused(shown(raw))
        text = raw.strip()
        if not text:
            return ""
        match = _ADDRESS.fullmatch(text)
        if match is None or int(match[2]) > _LARGEST_PORT:
            raise Refused(shown(raw))
        if "." in match[1] and any(int(part) > 255 for part in match[1].split(".")):
            raise Refused(shown(raw))
        return text

    def write(self, value: str) -> Raw:
        return value


def split(address: str) -> tuple[str, int]:
    """Host and port of a parsed address that is not empty."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
