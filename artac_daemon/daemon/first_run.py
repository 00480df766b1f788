"""What a terminal session asks before its prompt is there, and Claude's trust where configured."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..claude import first_run, home, trust
from ..claude.first_run import Question
from ..model.errors import ArtacError
from ..model.session import SessionSpec
from ..model.settings import Settings


@dataclass(frozen=True)
class FirstRun:
    """The questions that were foreseen when a session was started, and where Claude is listed.

    Claude is in that directory, by its pid, from the moment on that all of them are answered.
    """

    questions: tuple[Question, ...]
    sessions: str

    def open(self, pid: int) -> tuple[Question, ...]:
        """Those that the Claude of that pid may still be waiting with."""
        return () if os.path.lexists(os.path.join(self.sessions, f"{pid}.json")) else self.questions


def checked(
    settings: Settings, session_environment: Mapping[str, str]
) -> tuple[str, str, str, str]:
    """The row for doctor."""
    given = {**os.environ, **session_environment, **settings.session_env}
    return first_run.check(home.read(given), given, settings.trusted_directories)


async def prepare(
    spec: SessionSpec,
    trusted_directories: Sequence[str],
    environ: Mapping[str, str],
    log: logging.LoggerAdapter[logging.Logger],
) -> FirstRun:
    """Answer the trust dialog of a session about to start, where that is configured.

    `environ` is what the session will get. Whatever goes wrong, Claude asks, and a warning says so.
    """
    return await asyncio.to_thread(_prepare, spec.cwd, trusted_directories, environ, log)


def _prepare(
    cwd: str,
    trusted_directories: Sequence[str],
    environ: Mapping[str, str],
    log: logging.LoggerAdapter[logging.Logger],
) -> FirstRun:
    environ = home.seen_from(environ, cwd)
    place = home.place(cwd)
    known = home.read(environ, cwd)
    found = first_run.questions(known, place, environ)
    file = known.path
    # Of the home itself Claude records no trust: with it all that is below would have it.
    answered = first_run.is_below(cwd, trusted_directories) and cwd != known.directory
    if answered and file and any(question.dialog == "trust" for question in found):
        try:
            trust.mark(file, cwd)
            log.info("%s is recorded as trusted in %s, as trusted_directories asks", cwd, file)
            found = first_run.questions(home.read(environ, cwd), place, environ)
        except ArtacError as error:
            log.warning("%s", error.message)
            found = [
                replace(question, what_to_do=error.message)
                if question.dialog == "trust"
                else question
                for question in found
            ]
    return FirstRun(tuple(found), os.path.join(home.settings_directory(environ), "sessions"))
