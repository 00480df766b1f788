"""Control groups (v2): where a process is, a session's group, and what is in it."""

from __future__ import annotations

import os
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind


def mount_point() -> Path | None:
    """Where the unified hierarchy is mounted; None on a machine without one."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for line in mounts:
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                return Path(before.split()[4].replace("\\040", " "))
    return None


def of_process(pid: int | str) -> str:
    """The cgroup of a process, as a path below the mount point; "" when the process is gone."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            for line in file:
                if line.startswith("0::"):
                    return line[3:].rstrip("\n").removesuffix(" (deleted)")
    except OSError:
        return ""
    return ""


def absolute(cgroup: str) -> Path:
    """The directory of a cgroup named as in /proc/PID/cgroup."""
    mount = mount_point()
    if mount is None:
        raise ArtacError(ErrorKind.CONFIG, "this machine has no cgroup v2 hierarchy mounted")
    return mount / cgroup.lstrip("/")


def populated(directory: Path) -> bool:
    """Whether any process is in it or below; a cgroup that is gone has none."""
    try:
        return "populated 1" in (directory / "cgroup.events").read_text()
    except OSError:
        return False


def frozen(directory: Path) -> bool:
    """Whether everything in it is held by the freezer."""
    try:
        return "frozen 1" in (directory / "cgroup.events").read_text()
    except OSError:
        return False


def pids(directory: Path) -> list[int]:
    """The processes in it and below."""
    return _pids(os.fspath(directory))


def _pids(directory: str) -> list[int]:
    try:
        found = [int(pid) for pid in _content(f"{directory}/cgroup.procs").split()]
        # A cgroup has a link for itself, one for its name and one for each child: most have no
        # child, and a listing of many sessions need not look through their files for one.
        if os.stat(directory).st_nlink > 2:
            for entry in os.scandir(directory):
                if entry.is_dir(follow_symlinks=False):
                    found += _pids(entry.path)
    except OSError:
        return []  # gone meanwhile, with all that was in it
    return found


def memory_bytes(directory: Path) -> int | None:
    """Memory charged to it; None where the memory controller does not count there."""
    try:
        return int(_content(f"{directory}/memory.current"))
    except (OSError, ValueError):
        return None


def _content(path: str) -> bytes:
    # A list of sessions reads hundreds of these: the layers of open() would cost most of its time.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while piece := os.read(fd, 65536):
            content += piece
        return content
    finally:
        os.close(fd)


def kill(directory: Path) -> None:
    """End everything in it at once (cgroup.kill, Linux 5.14)."""
    try:
        (directory / "cgroup.kill").write_text("1")
    except FileNotFoundError:
        return


def thaw(directory: Path) -> None:
    """Systemd 257 refuses to stop a frozen unit, so nothing of ours is left frozen."""
    try:
        (directory / "cgroup.freeze").write_text("0")
    except OSError:
        return


def remove(directory: Path) -> None:
    """Remove an empty cgroup and those below it; one that still has processes stays."""
    for place, _, _ in os.walk(directory, topdown=False):
        try:
            os.rmdir(place)
        except OSError:
            return


class ServiceCgroup:
    """The backend's own delegated cgroup: `daemon` for itself, `sessions` with one child for each.

    The sessions have a common parent of their own, so that what bounds all of them together does
    not bound the backend.
    """

    def __init__(self) -> None:
        own = of_process("self")
        # Processes may live in leaves only. `daemon` is where systemd 254's DelegateSubgroup= has
        # put us already; on an older one, we go there ourselves.
        self.name = own.removesuffix("/daemon")
        if not self.name.endswith(".service"):
            raise ArtacError(
                ErrorKind.CONFIG,
                f"artacd runs in the cgroup {own}, which is not a service's: start it with "
                "`systemctl start artac` (or `systemctl --user start artac`), "
                "or set placement: detached",
            )
        self.directory = absolute(self.name)
        self.sessions = self.directory / "sessions"

    def settle(self) -> None:
        """Move the backend into its leaf; ArtacError(CONFIG) when the cgroup is not delegated."""
        leaf = self.directory / "daemon"
        try:
            leaf.mkdir(mode=0o755, exist_ok=True)
            (leaf / "cgroup.procs").write_text("0")
            self.sessions.mkdir(mode=0o755, exist_ok=True)
        except OSError as error:
            raise ArtacError(
                ErrorKind.CONFIG,
                f"cgroup {self.name} cannot be used for sessions ({error.strerror}): "
                "its unit needs Delegate=yes",
            ) from None

    @property
    def unit(self) -> str:
        """The unit whose cgroup it is."""
        return os.path.basename(self.name)

    @property
    def of_user_manager(self) -> bool:
        """Whether the account's own manager runs that unit, and not the machine's."""
        return f"/user@{os.getuid()}.service/" in self.name

    def name_of(self, session_id: str) -> str:
        return f"{self.name}/sessions/session-{session_id}"

    def make(self, session_id: str) -> Path:
        directory = absolute(self.name_of(session_id))
        directory.mkdir(mode=0o755, exist_ok=True)
        return directory

    @staticmethod
    def enter(directory: Path, pid: int) -> None:
        """Move a process into a session's cgroup."""
        (directory / "cgroup.procs").write_text(str(pid))
