"""Where the command starts: straight into an attach in its usual forms, and into main otherwise.

Who attaches waits for a screen, and the interpreter's own start is most of that time: nothing is
imported here, or by what is imported here, that an attach does not need at once.
"""

import gc
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .asking import Wishes

# ctrl-\ as terminal.keys has it, which is not needed to ask for the session.
_ESCAPE = 0x1C


def main() -> int:
    """Run the command; the exit code for the shell."""
    words = sys.argv[1:]
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _fill_standard_files()
    if words[:1] == ["attach"]:
        gc.disable()  # there is nothing to be found while modules are loaded
        from .asking import quick

        wishes = quick(words[1:], _ESCAPE)
        if wishes is not None:
            try:
                return attach(wishes)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - told as main tells it
                return _told(error)
    from .main import main as run

    return run()


def _fill_standard_files() -> None:
    """Open those that we were started without: what is opened next would get their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # The lowest number that is free, which is this one.
            posix.set_inheritable(posix.open("/dev/null", posix.O_RDWR), True)
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: SIM115 - for good


def attach(wishes: "Wishes", paths: list[str] | None = None) -> int:
    """Attach this terminal; `paths` are the daemon's sockets to try. The exit code.

    ArtacError when there is no terminal here, or the daemon refuses.
    """
    from .asking import Request, candidates

    if not (posix.isatty(0) and posix.isatty(1)):
        _refuse(wishes.session)
    if posix.environ.get(b"TERM") == b"dumb":
        _refuse_dumb(wishes.session)
    # What it shows would be its own output, which it would show again, and so on.
    own = [posix.environ.get(name, b"").decode() for name in (b"ARTAC_SESSION", b"ARTAC_NAME")]
    if wishes.session and wishes.session in own:
        _refuse_itself(wishes.session)
    columns, rows = posix.get_terminal_size(1)
    window = (columns, rows) if columns and rows else None
    request = Request(candidates() if paths is None else paths, wishes, window)
    # The kernel may have woken the daemon on this very processor.
    posix.sched_yield()
    # While the daemon is at it.
    from .terminal.first_screen import FirstScreen
    from .terminal.tty import Terminal

    terminal = Terminal()
    granted = request.granted()
    if granted.session == own[0]:
        _refuse_itself(wishes.session)
    first = FirstScreen(granted)
    try:
        if not wishes.from_start:
            first.show(terminal, window)
        from .terminal.attachment import Attachment

        gc.enable()
        attachment = Attachment(wishes, granted, terminal, window, first)
    except BaseException:
        terminal.give_back(b"")
        raise
    outcome = attachment.run()
    from .terminal.leaving import tell

    return tell(
        outcome, granted.session, granted.name, attachment.skipped, attachment.untyped, paths
    )


def _refuse(session: str) -> "NoReturn":
    from ..model.errors import ArtacError, ErrorKind

    raise ArtacError(
        ErrorKind.USAGE,
        "attach: standard input and output are not a terminal; "
        f"artac logs -f {session} follows it without one, artac screen {session} prints it",
    )


def _refuse_dumb(session: str) -> "NoReturn":
    from ..model.errors import ArtacError, ErrorKind

    raise ArtacError(
        ErrorKind.USAGE,
        "attach: TERM=dumb says that this terminal cannot move its cursor; "
        f"artac screen {session} prints what a session shows, artac send {session} types into it",
    )


def _refuse_itself(session: str) -> "NoReturn":
    from ..model.errors import ArtacError, ErrorKind

    raise ArtacError(
        ErrorKind.CONFLICT,
        f"attach: this is session {session} itself, so it would show its own screen for ever; "
        "attach from another terminal",
    )


def _told(error: BaseException) -> int:
    from .main import guarded

    def again() -> int:
        raise error

    return guarded(again)
