"""Handing a session's messages to its keeper: in the order of their acceptance, one at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ..claude import stream
from ..model.errors import ArtacError, ErrorKind
from .lines import extent
from .messages import Messages

log = logging.getLogger("artac.messages")


class Delivery:
    """What cannot be handed over now stays queued, and `go_on` is called again when it may be."""

    def __init__(
        self,
        messages: Messages,
        output: Path,
        request: Callable[..., Awaitable[dict[str, Any]]],
        may: Callable[[], bool],
        changed: Callable[[float | None], Awaitable[None]],
    ) -> None:
        self._messages = messages
        self._output = output
        self._request, self._may, self._changed = request, may, changed
        self._task: asyncio.Task[None] | None = None
        self.handing_over = ""  # the uuid of the one that is on its way to the keeper

    def go_on(self) -> None:
        """Deliver what is queued, in the background."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._deliver())

    @property
    def at_work(self) -> bool:
        """Whether something is being handed over."""
        return self._task is not None and not self._task.done()

    def stop(self) -> None:
        """Hand over nothing more."""
        if self._task is not None:
            self._task.cancel()

    async def _deliver(self) -> None:
        while self._may() and (message := self._messages.next_queued()) is not None:
            self.handing_over = message.uuid
            self._messages.handing_over(message.uuid)
            first = self._messages.is_first_try(message.uuid)
            line = stream.user_message(message.text or "", message.uuid)
            try:
                reply = await self._request("write", key=message.uuid, line=line)
            except ArtacError as error:
                if error.kind is not ErrorKind.LIMIT:
                    return  # it has ended, or its keeper is silent: taken up again with it
                log.info("%s", error.message)
                await self._changed(None)
                continue
            finally:
                self.handing_over = ""
            if reply.get("result") == "duplicate" and first:
                self._messages.known_before(message.uuid, extent(self._output).first)
            else:
                self._messages.delivered(message.uuid)
            self._messages.handing_over("")
