"""The story: a session that outlives its backend, then one that does not."""

from __future__ import annotations

from tests.demo.narration import say
from tests.demo.stages import Stage

_FIRST = "Remember the number 4711. Answer with OK and nothing else."
_SECOND = "What did I say first? Name the number."


class Broken(Exception):
    """Something promised was not seen."""


def tell(stage: Stage) -> None:
    """Show both modes; Broken where something is not as promised."""
    _persistent(stage)
    _with_the_service(stage)


def _persistent(stage: Stage) -> None:
    say("PERSIST_CLAUDE_SESSIONS=true: sessions outlive the backend.")
    stage.start(persist=True)
    stage.artac("run", "--name", "api", "--wait", _FIRST)
    session = _only(stage)
    say("The backend is stopped. Its session is not.")
    stage.stop()
    if "Claude sessions persisted" not in stage.log():
        raise Broken("the log does not say that sessions persisted")
    if not stage.show_alive(session):
        raise Broken("the session did not outlive the backend")
    say("The backend is started again, finds the session, and the conversation goes on.")
    stage.start(persist=True)
    answer = stage.artac("send", "api", _SECOND, "--wait")
    if "4711" not in answer:
        raise Broken("the answer does not come out of the first prompt's context")
    if _only(stage)["claude"] != session["claude"]:
        raise Broken("it is another process than before")
    stage.artac("logs", "api")
    stage.artac("stop", "api")
    stage.artac("ls", "--all")
    stage.stop()


def _with_the_service(stage: Stage) -> None:
    say("The default, PERSIST_CLAUDE_SESSIONS=false: sessions end with the backend.")
    stage.start(persist=False)
    stage.artac("run", "--name", "brief", "--wait", _FIRST)
    session = _only(stage)
    stage.stop()
    if stage.show_alive(session):
        raise Broken("a session outlived a backend that it was to end with")
    stage.start(persist=False)
    stage.artac("ls", "--all")
    ended = stage.status("brief")["end"]
    if ended is None or ended["reason"] != "backend-stopped":
        raise Broken(f"the session's end is told as {ended}")
    stage.stop()


def _only(stage: Stage) -> dict[str, object]:
    running = [session for session in stage.sessions() if session["state"] != "ended"]
    if len(running) != 1:
        raise Broken(f"one session should be running, {len(running)} are")
    return stage.status(str(running[0]["id"]))
