"""Posting what is told, signed; nothing that a receiver answers is believed or followed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import aiohttp

from .. import __version__
from ..model.errors import ArtacError, ErrorKind
from ..model.notification import Notification
from ..model.notify_kinds import host_of

# Answers that another try may change: too early, too many, not now.
_AGAIN = frozenset({408, 425, 429})


class Webhook:
    """Posts from one event loop; no cookies, no proxy of the environment, no login of ~/.netrc."""

    def __init__(self) -> None:
        self._client: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def post(
        self, url: str, secret: bytes, told: Notification, body: bytes, at: int, seconds: float
    ) -> None:
        """One try. ArtacError, UNAVAILABLE if another one may go better."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"artac/{__version__}",
            "Artac-Delivery": told.id,
            "Artac-Event": told.occasion.value,
            "Artac-Timestamp": str(at),
            "Artac-Signature": signature(secret, at, body),
        }
        where = host_of(url)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._session().post(
                    url, data=body, headers=headers, allow_redirects=False
                )
                status = answer.status
                answer.close()  # whatever else it has to say
        except TimeoutError:
            raise ArtacError(
                ErrorKind.UNAVAILABLE, f"{where} did not answer within {seconds:g}s"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ArtacError(ErrorKind.UNAVAILABLE, f"{where}: {_why(error)}") from None
        if 200 <= status < 300:
            return
        if 300 <= status < 400:
            raise ArtacError(
                ErrorKind.FAILED, f"{where} answered {status}: artac follows no redirection"
            )
        again = status in _AGAIN or status >= 500
        kind = ErrorKind.UNAVAILABLE if again else ErrorKind.FAILED
        raise ArtacError(kind, f"{where} answered {status}")

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            # A connection for each: a kept one may be gone just when it is needed.
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
            )
        return self._client


def signature(secret: bytes, at: int, body: bytes) -> str:
    """What a receiver compares: over time and body, so that an old post cannot be sent again."""
    return "sha256=" + hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()


def _why(error: BaseException) -> str:
    # Not its text: that may have the whole URL in it.
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error).__name__
    return type(error).__name__
