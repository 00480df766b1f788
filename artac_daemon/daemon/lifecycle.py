"""From start to stop: what the backend makes sure of before READY=1, and what it leaves behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..claude import command, conversation
from ..host import (
    cgroups,
    configuration,
    conversation_locks,
    directories,
    processes,
    scopes,
)
from ..host.inotify import GrowthWatch
from ..host.journal import explained, set_level
from ..host.message_ids import MessageId
from ..host.notify import Notifier, watchdog_interval
from ..host.store import Store
from ..model import settings_view
from ..model.errors import ArtacError, ErrorKind
from ..model.settings import PlacementPolicy, changed
from . import access, adoption, api, metrics_page
from .declared import Declared
from .handlers import ROUTES
from .limiting import Limiting
from .metrics import Metrics
from .notifications import Notifications
from .placement import Places
from .restarting import Restarter
from .sessions import Sessions

log = logging.getLogger("artac")

# logind starts a lingering account's manager soon after boot; a start waits for it this long.
_MANAGER_LIMIT = 20.0
# How long systemd may take to tell whether the machine is going down; it is busy when it does.
_HOST_LIMIT = 10.0
# How often more time is asked for while a drain is under way, and how much (seconds).
_EXTEND_EVERY, _EXTEND_BY = 5.0, 30.0

Load = Callable[[], configuration.Loaded]


class Backend:
    """One artacd."""

    def __init__(self, loaded: configuration.Loaded, load: Load) -> None:
        self._loaded = loaded
        self._load = load
        self._notifier = Notifier()
        self._stopping = asyncio.Event()
        self._drained = 0
        settings = loaded.resolved.settings
        self._embedded = settings.placement is PlacementPolicy.DETACHED or not scopes.booted()
        self._store = Store(directories.state_directory(settings, os.environ))

    async def serve(self) -> None:
        """Run until told to stop. ArtacError where the start is refused."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        settings = self._loaded.resolved.settings
        api_gid = access.group_id(settings.api_group)
        service = self._own_cgroup()
        self._notifier.extend_timeout(_MANAGER_LIMIT + settings.start_timeout)
        if settings.persist_claude_sessions and not self._embedded:
            await self._need_user_manager()
        for mended in self._store.open():
            log.warning("%s", mended)
        scraped = metrics_page.bind(settings.metrics_listen)
        growth = GrowthWatch()
        try:
            use_scopes = await self._can_use_scopes()
            self._limiting = Limiting(service, use_scopes)
            places = Places(service, self._store.root)
            self._sessions = Sessions(self._store, places, self._limiting, growth)
            self._sessions.embedded = self._embedded
            self._sessions.open_files = processes.raise_open_files()
            self._sessions.on_count = self._tell_status
            self._sessions.need_user_manager = self._get_ready_for_scopes
            self._declared = Declared(self._sessions, lambda: self._loaded.declared)
            self._metrics = Metrics(self._sessions)
            self._notifications = Notifications(self._store.root, self._sessions.events.file)
            self._restarter = Restarter(self._sessions)
            self._apply()
            self._sessions.events.open()
            self._notifications.open()
            await self._limiting.bound_all(settings)
            await self._limiting.warn_of_missing(self._sessions.placement())
            counts = await adoption.take_up(self._sessions, use_scopes)
            self._sessions.events.catch_up(self._sessions.all(), self._store.ids())
            await asyncio.to_thread(self._sweep_locks)
            self._restarter.begin()
            server = await self._open_api(api_gid, scraped)
            try:
                # Before READY=1: who has read that may ask for a reload, and SIGHUP would end it.
                loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
                self._announce(counts)
                self._keep_watchdog()
                self._declared.come_up()
                await self._stopping.wait()
            finally:
                self._notifier.stopping("stopping")
                self._sessions.admission.close()  # who waits is still answered
                await self._declared.close()
                await self._restarter.close()
                self._sessions.events.write("backend-stopping")
                await server.stop()
                await self._scraped.stop()
                await self._leave()
                await self._notifications.close()
                self._sessions.events.close()
        finally:
            growth.close()
            self._store.close()

    # Starting

    def _own_cgroup(self) -> cgroups.ServiceCgroup | None:
        if self._embedded:
            return None
        try:
            service = cgroups.ServiceCgroup()
            service.settle()
        except ArtacError:
            if not self._loaded.resolved.settings.persist_claude_sessions:
                raise
            return None  # every session gets a scope; one that cannot is refused
        return service

    async def _need_user_manager(self) -> None:
        """Persistence needs the account's own manager, now and when nobody is logged in."""
        account = scopes.account()
        if not scopes.lingers(account):
            if not self._loaded.resolved.settings.enable_linger:
                log.warning(
                    "%s does not linger: persistent sessions end when its last login does",
                    account,
                    extra=explained(MessageId.LINGER_NEEDED),
                )
            elif refused := await scopes.enable_linger(account):
                raise ArtacError(
                    ErrorKind.CONFIG,
                    f"persistent sessions need {account} to linger, and logind refused "
                    f"({refused}): run `loginctl enable-linger {account}` as root",
                )
            else:
                log.info("logind keeps the user manager of %s running from now on", account)
        elif await scopes.manager_problem():
            # It lingers, and somebody has stopped its manager: logind starts it when asked again.
            await scopes.enable_linger(account)
        if problem := await scopes.wait_for_manager(_MANAGER_LIMIT):
            raise ArtacError(
                ErrorKind.CONFIG,
                f"persistent sessions need the user manager of {account}, which does not answer "
                f"({problem}): run `loginctl enable-linger {account}` as root, "
                "or set PERSIST_CLAUDE_SESSIONS=false",
            )

    async def _get_ready_for_scopes(self) -> None:
        """Before a session comes into a scope where none were in use."""
        await self._need_user_manager()
        await self._limiting.bound_all(self._loaded.resolved.settings, use_scopes=True)

    async def _can_use_scopes(self) -> bool:
        if self._embedded:
            return False
        if self._loaded.resolved.settings.persist_claude_sessions:
            return True
        # Scopes that an earlier, persisting backend left are found as long as systemd can be asked.
        return not await scopes.manager_problem()

    async def _open_api(self, api_gid: int | None, scraped: socket.socket | None) -> api.Server:
        settings = self._loaded.resolved.settings
        path = directories.socket_path(settings, os.environ)
        context = api.Context(
            sessions=self._sessions,
            health=self._health,
            config=lambda: settings_view.to_json(self._loaded.resolved),
            doctor=self._examine,
            drain=self._drain,
            metrics=self._metrics,
            declared=self._declared,
            restarter=self._restarter,
            api_gid=api_gid,
        )
        server = api.Server(api.application(ROUTES, context, settings.max_request), context)
        await server.start(api.bind(path, api_gid))
        self._scraped = metrics_page.Listener(context)
        if scraped is not None:
            await self._scraped.start(scraped)
        self._socket = path
        return server

    def _announce(self, counts: adoption.Counts) -> None:
        log.info(
            "artacd %s ready on %s: sessions %s; found %d running, %d ended, %d lost",
            __version__,
            self._socket,
            self._where(),
            counts.adopted,
            counts.ended,
            counts.lost,
            extra=explained(MessageId.READY),
        )
        if self._embedded:
            log.warning(
                "sessions are detached: no systemd here keeps them in a cgroup of their own, "
                "so their processes are tracked by their keepers only",
                extra=explained(MessageId.DETACHED),
            )
        try:
            command.find(self._loaded.resolved.settings.claude_code_path)
        except ArtacError as error:
            log.warning("%s", error.message, extra=explained(MessageId.NO_CLAUDE))
        self._notifier.ready(self._status())

    def _sweep_locks(self) -> None:
        environ = {**os.environ, **self._loaded.session_environment}
        config = conversation.config_directory(environ, os.getcwd())
        if config:
            conversation_locks.sweep(conversation.lock_directory(config))

    def _keep_watchdog(self) -> None:
        interval = watchdog_interval()
        if interval is None:
            return
        loop = asyncio.get_running_loop()

        # From the loop that does the work, so that a hung one is noticed.
        def beat() -> None:
            self._notifier.watchdog()
            self._metrics.lag.beat(interval)
            loop.call_later(interval, beat)

        beat()

    # Serving

    def _where(self) -> str:
        if self._embedded:
            return "are detached"
        persist = self._loaded.resolved.settings.persist_claude_sessions
        return "persist in scopes" if persist else "end with the service"

    def _status(self) -> str:
        live = Counter(session.spec.placement.value for session in self._sessions.live())
        parts = ", ".join(f"{number} {placement}" for placement, number in sorted(live.items()))
        plural = "" if live.total() == 1 else "s"
        return f"{live.total()} session{plural}" + (f" ({parts})" if parts else "")

    def _tell_status(self) -> None:
        if not self._stopping.is_set():
            self._notifier.status(self._status())

    def _health(self) -> dict[str, Any]:
        states = Counter(session.state.value for session in self._sessions.live())
        return {
            "version": __version__,
            "pid": os.getpid(),
            "account": scopes.account(),
            "persist_claude_sessions": self._loaded.resolved.settings.persist_claude_sessions,
            "placement": self._sessions.placement().value,
            "state_directory": str(self._store.root),
            "draining": self._sessions.admission.closed,
            "sessions": dict(states),
            "queued": self._sessions.admission.queued,
        }

    async def _examine(self) -> list[dict[str, Any]]:
        from ..host import doctor  # asked for seldom: its imports stay out of a quiet backend
        from .first_run import checked

        settings = self._loaded.resolved.settings
        checks = await doctor.examine(
            settings,
            os.environ,
            self._loaded.session_environment,
            self._loaded.session_places,
            [
                await asyncio.to_thread(checked, settings, self._loaded.session_environment),
                await self._declared.examined(),
            ],
        )
        return [check.to_json() for check in checks]

    def _apply(self) -> None:
        settings = self._loaded.resolved.settings
        self._sessions.settings = settings
        self._sessions.session_environment = self._loaded.session_environment
        self._sessions.admission.look_again()
        self._notifications.apply(settings)
        set_level(settings.log_level.value)
        for warning in self._loaded.warnings:
            log.warning("%s", warning)

    def _on_hangup(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reload())

    async def _reload(self) -> None:
        self._notifier.reloading()
        try:
            loaded = self._load()
            old, new = self._loaded.resolved.settings, loaded.resolved.settings
            live, restart = changed(old, new)
            turned_on = new.persist_claude_sessions and not old.persist_claude_sessions
            previous, self._loaded = self._loaded, loaded
            if turned_on and not self._embedded:
                try:
                    await self._need_user_manager()
                except ArtacError:
                    self._loaded = previous
                    raise
            self._apply()
            use_scopes = new.persist_claude_sessions and not self._embedded
            await self._limiting.bound_all(new, use_scopes)
            log.info("configuration read again; changed: %s", ", ".join(live) or "nothing")
            await self._declared.check()
            if restart:
                log.warning("counts only after a restart: %s", ", ".join(restart))
        except ArtacError as error:
            extra = explained(MessageId.NOT_CHANGED)
            log.error("configuration not changed: %s", error.message, extra=extra)
        finally:
            self._notifier.ready(self._status())

    # Stopping

    async def _drain(self, by: str) -> int:
        """End every session that is to end with the backend; how many there were."""
        self._sessions.admission.close()
        await self._sessions.placed()
        ending = [session for session in self._sessions.live() if not session.spec.persistent]
        extending = asyncio.get_running_loop().create_task(self._extend())
        try:
            if ending:
                await self._sessions.end_all(ending, by, await self._why_drained())
        finally:
            extending.cancel()
        self._drained += len(ending)
        return len(ending)

    async def _why_drained(self) -> str:
        """Whether it is for the daemon alone: systemd knows what else it stops."""
        if self._embedded:
            return "drain"
        try:
            stopping = await asyncio.wait_for(scopes.machine_stopping(), _HOST_LIMIT)
        except TimeoutError:
            return "drain"
        return "shutdown" if stopping else "drain"

    async def _extend(self) -> None:
        while True:
            self._notifier.extend_timeout(_EXTEND_BY)
            await asyncio.sleep(_EXTEND_EVERY)

    async def _leave(self) -> None:
        await self._drain("the stopping backend")
        persisted = [session for session in self._sessions.live() if session.spec.persistent]
        for session in self._sessions.live():
            session.release()
        if persisted or self._loaded.resolved.settings.persist_claude_sessions:
            extra = explained(MessageId.PERSISTED)
            log.info("Claude sessions persisted (%d)", len(persisted), extra=extra)
        if self._drained or not self._loaded.resolved.settings.persist_claude_sessions:
            extra = explained(MessageId.TERMINATED)
            log.info("Claude sessions terminated (%d)", self._drained, extra=extra)


def load_with(overrides: Mapping[str, configuration.Override], config: Path | None) -> Load:
    """How to read the configuration, the same way at start and at every reload."""
    return lambda: configuration.load(overrides, os.environ, Path.cwd(), config)
