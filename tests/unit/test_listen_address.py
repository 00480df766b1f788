"""metrics_listen: the loopback, and nothing that others could reach."""

from __future__ import annotations

import pytest

from artac_daemon.model.errors import ArtacError, ErrorKind
from artac_daemon.model.listen_address import split
from artac_daemon.model.setting_layers import Given, Layer, Origin, merge


def parsed(text: str) -> str:
    given = Given("metrics_listen", text, Origin(Layer.YAML, "artac.yaml:1"))
    return merge([given]).settings.metrics_listen


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9464", "127.0.0.1", 9464), ("127.1.2.255:1", "127.1.2.255", 1),
     ("[::1]:65535", "::1", 65535)],
)  # fmt: skip
def test_loopback_addresses(text: str, host: str, port: int) -> None:
    assert split(parsed(f" {text} ")) == (host, port)


def test_none() -> None:
    assert parsed("") == ""


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0:9464", "10.0.0.1:9464", "[::]:9464", "::1:9464", "localhost:9464", "127.0.0.1",
     "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.256:1", "127.0.0.01:1", "127.0.0.1:9464\n[::]:1",
     "9464", ":9464", "127.0.0.1:٣"],
)  # fmt: skip
def test_everything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ArtacError) as refused:
        parsed(text)
    assert refused.value.kind is ErrorKind.CONFIG
    message = refused.value.message
    assert "artac.yaml:1" in message and "127.0.0.1:9464" in message and "\n" not in message
