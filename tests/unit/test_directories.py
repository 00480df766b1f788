"""Where configuration, state and sockets are looked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artac_daemon.client_sockets import client_sockets
from artac_daemon.host.directories import config_directory, socket_path, state_directory
from artac_daemon.model.errors import ArtacError
from artac_daemon.model.settings import Settings


def test_directories() -> None:
    home = {"HOME": "/home/u"}
    xdg = {
        "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/run/user/7", **home
    }  # fmt: skip
    unit = {
        "CONFIGURATION_DIRECTORY": "/etc/artac", "STATE_DIRECTORY": "/var/lib/artac:/b",
        "RUNTIME_DIRECTORY": "/run/artac", **xdg,
    }  # fmt: skip
    defaults = Settings()
    for environ, config, state, socket in (
        (home, "/home/u/.config/artac", "/home/u/.local/state/artac", None),
        (xdg, "/c/artac", "/s/artac", "/run/user/7/artac/artac.sock"),
        (unit, "/etc/artac", "/var/lib/artac", "/run/artac/artac.sock"),
    ):
        assert config_directory(environ) == Path(config)
        assert state_directory(defaults, environ) == Path(state)
        assert socket_path(defaults, environ) == Path(socket or f"{state}/artac.sock")
    assert config_directory({"XDG_CONFIG_HOME": "relative", **home}) == Path(
        "/home/u/.config/artac"
    )
    chosen = Settings(state_directory="/d", socket="/d/x.sock")
    assert state_directory(chosen, unit) == Path("/d")
    assert socket_path(chosen, unit) == Path("/d/x.sock")


def test_socket_path_that_does_not_fit() -> None:
    assert socket_path(Settings(socket="/" + "x" * 106), {})
    with pytest.raises(ArtacError, match="longer than 107 bytes"):
        socket_path(Settings(socket="/" + "x" * 107), {})


def test_client_sockets() -> None:
    environ = {"HOME": "/home/u", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert list(client_sockets(environ, "u")) == [
        "/run/user/7/artac/artac.sock",
        "/home/u/.local/state/artac/artac.sock",
        "/run/artac@u/artac.sock",
        "/run/artac/artac.sock",
    ]
    assert list(client_sockets({**environ, "ARTAC_SOCKET": "/x"}, "u")) == ["/x"]
    own = f"/run/user/{os.getuid()}/artac/artac.sock"
    assert next(client_sockets({"HOME": "/home/u"}, "u")) == own


def test_client_stays_light() -> None:
    code = "import sys, artac_daemon.cli.listing, artac_daemon.cli.client; print(*sys.modules)"
    root = Path(__file__).parents[2]
    modules = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=root, check=True, capture_output=True, text=True
    ).stdout.split()
    heavy = {"yaml", "dotenv", "dataclasses", "asyncio", "http.client", "pathlib"}
    assert not heavy & set(modules)
