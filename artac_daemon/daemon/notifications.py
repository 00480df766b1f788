"""Tells a program, a URL and a desktop of what happens to sessions, as the settings say.

All of it is read from the event log. `STATE/notified` has, for program and URL, up to where in it
all is told; so what a killed backend had not told yet is told by the next one. The desktop has no
such place: who is not there has nothing to catch up with.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from collections.abc import Coroutine
from pathlib import Path

from ..host import bounded_program, desktop, notify_secret, scopes
from ..keeper import record
from ..model.errors import ArtacError, ErrorKind
from ..model.notification import Notification
from ..model.notify_kinds import Desktop
from ..model.settings import Settings
from .event_file import EventFile
from .notification_channel import Channel
from .webhook import Webhook

log = logging.getLogger("artac.notifications")

_MARKS = "notified"
_COMMAND, _URL, _DESKTOP = "notify_command", "notify_url", "notify_desktop"
# What a stopping backend waits for what is under way (seconds), well within TimeoutStopSec=.
_LAST_MOMENT = 3.0


class Notifications:
    """The channels that the settings ask for."""

    def __init__(self, root: Path, file: EventFile) -> None:
        self._root = root
        self._file = file
        self._settings = Settings()
        self._open = False
        self._channels: dict[str, Channel] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._failing = False
        self._webhook = Webhook()
        self._origin = {"host": socket.gethostname(), "account": scopes.account()}

    def open(self) -> None:
        """Begin, before the sessions are found: their ends are news."""
        for half in self._root.glob(f".{_MARKS}.*"):  # of a killed backend
            half.unlink(missing_ok=True)
        self._open = True
        self._arrange(self._read_marks())

    def apply(self, settings: Settings) -> None:
        """The settings may have changed."""
        self._settings = settings
        if self._open:
            self._arrange({})
        if settings.notify_on and settings.notify_url:
            try:
                notify_secret.read(settings.notify_secret_file, os.environ)
            except ArtacError as error:
                log.warning("nothing can be posted: %s", error.message)

    async def close(self) -> None:
        """Tell what is due, for a moment; the next backend goes on with the rest."""
        self._open = False
        channels = list(self._channels.values())
        await asyncio.gather(*(channel.close(_LAST_MOMENT) for channel in channels), *self._leaving)
        self._keep_marks()
        await self._webhook.close()

    def _arrange(self, marks: dict[str, int]) -> None:
        for name in (_COMMAND, _URL, _DESKTOP):
            wanted, channel = self._wanted(name), self._channels.get(name)
            if wanted and channel is None:
                tell = {
                    _COMMAND: self._run_command,
                    _URL: self._post,
                    _DESKTOP: self._show,
                }[name]
                channel = Channel(name, self._file, lambda: self._settings, tell, self._keep_marks)
                self._channels[name] = channel
                channel.start(marks.get(name))
            elif channel is not None and not wanted:
                del self._channels[name]
                self._leave(channel.close())
        self._keep_marks()

    def _wanted(self, name: str) -> bool:
        settings = self._settings
        if not settings.notify_on:
            return False
        if name == _DESKTOP:
            return bool(desktop.bus(os.environ, settings.notify_desktop))
        return bool(settings.notify_command if name == _COMMAND else settings.notify_url)

    def _leave(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    # How each is told

    async def _run_command(self, told: Notification) -> None:
        settings = self._settings
        environ = {
            **bounded_program.passed(os.environ),
            "ARTAC_EVENT": told.occasion.value,
            "ARTAC_EVENT_ID": told.id,
            # Not ARTAC_SESSION: by that name a process counts as one of the session's own.
            "ARTAC_EVENT_SESSION": told.session,
            "ARTAC_EVENT_NAME": told.name,
        }
        await self._run(settings.notify_command, environ, told.body(**self._origin))

    async def _show(self, told: Notification) -> None:
        address = desktop.bus(os.environ, self._settings.notify_desktop)
        argv = desktop.command(told.summary, os.environ)
        if not argv and self._settings.notify_desktop is Desktop.AUTO:
            return
        if not argv:
            raise ArtacError(ErrorKind.FAILED, "there is neither busctl nor notify-send")
        environ = {**bounded_program.passed(os.environ), "DBUS_SESSION_BUS_ADDRESS": address}
        try:
            await self._run(argv, environ, b"")
        except ArtacError as error:
            # Many an account has a bus and nobody in front of it.
            if self._settings.notify_desktop is not Desktop.AUTO:
                raise
            log.debug("desktop: %s", error.message)

    async def _run(self, argv: tuple[str, ...], environ: dict[str, str], given: bytes) -> None:
        # The program only: its arguments are none of the journal's business.
        seconds, program = self._settings.notify_timeout, argv[0]
        try:
            code = await bounded_program.run(argv, environ, given, seconds)
        except TimeoutError:
            what = f"{program} took longer than {seconds:g}s and was killed"
            raise ArtacError(ErrorKind.FAILED, what) from None
        except OSError as error:
            raise ArtacError(
                ErrorKind.FAILED, f"{program} cannot be run: {error.strerror}"
            ) from None
        if code:
            how = f"ended with code {code}" if code > 0 else f"was killed by signal {-code}"
            raise ArtacError(ErrorKind.FAILED, f"{program} {how}")

    async def _post(self, told: Notification) -> None:
        settings = self._settings
        # Read for each, so that a new secret counts at once.
        secret = await asyncio.to_thread(
            notify_secret.read, settings.notify_secret_file, os.environ
        )
        await self._webhook.post(
            settings.notify_url,
            secret,
            told,
            told.body(**self._origin),
            int(time.time()),
            settings.notify_timeout,
        )

    # Where each is

    def _read_marks(self) -> dict[str, int]:
        try:
            content = json.loads((self._root / _MARKS).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        items = content.items() if isinstance(content, dict) else ()
        return {name: mark for name, mark in items if isinstance(mark, int) and mark >= 0}

    def _keep_marks(self) -> None:
        marks: dict[str, object] = {
            name: channel.mark
            for name, channel in self._channels.items()
            if name != _DESKTOP and channel.mark is not None
        }
        try:
            if marks:
                # Not synced, as the event log is not.
                record.write(str(self._root), _MARKS, marks, durable=False)
            else:
                (self._root / _MARKS).unlink(missing_ok=True)
        except OSError as error:
            if not self._failing:
                log.warning("%s cannot be written: %s", self._root / _MARKS, error.strerror)
            self._failing = True
            return
        self._failing = False
