"""Whether this machine has a way out, and waiting for one: told by the kernel, asked by nobody."""

from __future__ import annotations

import asyncio
import socket

_ROUTES4, _ROUTES6 = "/proc/net/route", "/proc/net/ipv6_route"
# linux/route.h, linux/rtnetlink.h
_RTF_UP, _RTF_REJECT = 0x1, 0x200
_RTMGRP_IPV4_ROUTE, _RTMGRP_IPV6_ROUTE = 0x40, 0x400


def has_default_route() -> bool:
    """Whether there is a route to anywhere."""
    return _has_ipv4() or _has_ipv6()


async def wait_for_default_route(seconds: float) -> bool:
    """Wait for one that long; whether there is one.

    Not network-online.target: no user's manager has it, and on many machines nothing starts it.
    """
    try:
        told = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
    except OSError:  # a sandbox without it
        return has_default_route()
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take() -> None:
        try:
            while told.recv(65536):
                continue
        except OSError:  # nothing more; or more than it could hold, which is a change, too
            pass
        changed.set()

    try:
        told.bind((0, _RTMGRP_IPV4_ROUTE | _RTMGRP_IPV6_ROUTE))
        loop.add_reader(told.fileno(), take)
        async with asyncio.timeout(seconds):
            # Looked at after the subscription: what comes in between is told.
            while not has_default_route():
                await changed.wait()
                changed.clear()
        return True
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(told.fileno())
        told.close()


def _has_ipv4() -> bool:
    for row in _rows(_ROUTES4)[1:]:
        # Interface, destination, gateway, flags (hexadecimal), ..., mask
        if len(row) > 7 and row[1] == row[7] == "00000000" and int(row[3], 16) & _RTF_UP:
            return True
    return False


def _has_ipv6() -> bool:
    for row in _rows(_ROUTES6):
        # Destination, its prefix, source, its prefix, next hop, metric, ..., flags, interface
        if len(row) > 9 and row[1] == "00" and row[9] != "lo":
            flags = int(row[8], 16)
            if flags & _RTF_UP and not flags & _RTF_REJECT:
                return True
    return False


def _rows(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="ascii") as file:
            return [line.split() for line in file]
    except (OSError, ValueError):
        return []
