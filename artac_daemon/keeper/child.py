"""Starting Claude: fork, descriptors, cgroup, exec; and the reason when that fails."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import struct
import termios
from collections.abc import Callable

from .vt.grid import MOST

_OOM_SCORE_ABOVE_KEEPER = 100


class Launch:
    """What to start, as the backend sent it."""

    def __init__(self, message: dict[str, object]) -> None:
        self.argv = [str(word) for word in _list(message["argv"])]
        self.env = {str(key): str(value) for key, value in _dict(message["env"]).items()}
        self.cwd = str(message["cwd"])
        self.umask = int(str(message["umask"]))
        self.open_files = int(str(message["open_files"]))
        self.terminal = bool(message["terminal"])
        # No larger than the model of the screen, or the two would differ.
        self.columns = min(int(str(message.get("columns", 80))), MOST)
        self.rows = min(int(str(message.get("rows", 24))), MOST)


class Child:
    """The started process. `control` is the terminal's master side, or the pipe to its stdin."""

    def __init__(self, pid: int, control: int) -> None:
        self.pid = pid
        self.control = control

    def signal(self, number: int) -> None:
        """Only before it is waited for: until then its pid cannot be anybody else's."""
        os.kill(self.pid, number)


def start(launch: Launch, enter: Callable[[], None], output: int, errors: int) -> Child:
    """Start Claude inside the tree; OSError with the failing step where it could not be exec'd."""
    if launch.terminal:
        control, inner = os.openpty()
        set_size(inner, launch.columns, launch.rows)
        os.set_blocking(control, False)
    else:
        inner, control = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(control, False)
    report_read, report_write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _become(launch, enter, inner, output, errors, report_write)
    os.close(report_write)
    os.close(inner)
    with os.fdopen(report_read, "rb") as report:
        failure = report.read()  # closed by a successful exec
    if failure:
        os.waitpid(pid, 0)
        os.close(control)
        number, _, step = failure.decode().partition(" ")
        raise OSError(int(number), f"{step}: {os.strerror(int(number))}")
    return Child(pid, control)


def _become(
    launch: Launch,
    enter: Callable[[], None],
    inner: int,
    output: int,
    errors: int,
    report: int,
) -> None:
    step = "joining the session's cgroup"
    try:
        enter()
        _prefer_for_oom()
        step = "setting up its terminal" if launch.terminal else "setting up its pipes"
        os.setsid()
        if launch.terminal:
            fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
            output = errors = inner
        os.dup2(inner, 0)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        step = f"entering {launch.cwd}"
        os.chdir(launch.cwd)
        os.umask(launch.umask)
        # The backend raised its own soft limit. What uses select() breaks beyond 1024.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(launch.open_files, hard), hard))
        # What we ignore or block would be inherited through exec.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGIO):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        step = f"running {launch.argv[0]}"
        os.execve(launch.argv[0], launch.argv, launch.env)
    except OSError as error:
        os.write(report, f"{error.errno or errno.EIO} {step}".encode())
    except ValueError:  # a NUL in an argument or a variable
        os.write(report, f"{errno.EINVAL} {step}".encode())
    finally:
        os._exit(127)


def _prefer_for_oom() -> None:
    """When memory runs out the keeper goes last: it has to live to tell what happened.

    The tree inherits this. Raising one's own score needs no privilege; a kernel or a sandbox that
    has no such file is no reason not to start.
    """
    try:
        with open("/proc/self/oom_score_adj", "r+", encoding="ascii") as file:
            score = int(file.read())
            file.seek(0)
            file.write(str(min(1000, score + _OOM_SCORE_ABOVE_KEEPER)))
    except OSError:
        return


def set_size(fd: int, columns: int, rows: int) -> None:
    """Tell the terminal's program how large its window is."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def _dict(value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
