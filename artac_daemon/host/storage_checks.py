"""Checks of files: the state directory and its disk, the API's socket, configuration files.

Each is a tuple (name, status, detail, fix), with the status ok, warn, fail or skip.
"""

from __future__ import annotations

import os
import pwd
import re
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..keeper.output import FALLOCATE
from ..model.errors import ArtacError
from ..model.settings import Settings
from . import config_text
from .directories import config_directory, socket_path, state_directory

Finding = tuple[str, str, str, str]

_LITTLE_SPACE, _NO_SPACE = 1 << 30, 64 << 20
_SECRET = re.compile(
    rb"^\s*(?:export\s+)?[\"']?\w*(?:KEY|TOKEN|SECRET|PASSWORD)\w*(?<!_FILE)"
    rb"[\"']?[ \t]*[=:][ \t]*[^\s#]",
    re.IGNORECASE | re.MULTILINE,
)
_LARGEST = 1 << 20


def state(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """The state directory: owner and mode, free space, and whether files can have holes."""
    names = ("state directory", "disk", "hole punching")
    try:
        directory = state_directory(settings, environ)
        found = directory.stat()
    except FileNotFoundError:
        detail = f"{directory} is not there yet; the daemon makes it"
        return [(names[0], "skip", detail, "")]
    except (ArtacError, OSError) as error:
        fix = "set state_directory to a directory that this account may use, then restart artac"
        return [(names[0], "fail", str(error), fix)]
    return [
        (names[0], *_private_directory(directory, found)),
        (names[1], *_space(directory)),
        (names[2], *_holes(directory)),
    ]


def _private_directory(path: Path, found: os.stat_result) -> tuple[str, str, str]:
    mode, quoted = stat.S_IMODE(found.st_mode), shlex.quote(str(path))
    if not stat.S_ISDIR(found.st_mode):
        return "fail", f"{path} is no directory", f"mv {quoted} {quoted}.old"
    if found.st_uid != os.geteuid():
        fix = f"chown -R {os.geteuid()} {quoted}"
        return "fail", f"{path} belongs to {_owner(found)}, not to this account", fix
    if mode & 0o077:
        return "fail", f"{path} has mode {mode:04o}, others may look into it", f"chmod 700 {quoted}"
    return "ok", f"{path}, mode {mode:04o}", ""


def _space(path: Path) -> tuple[str, str, str]:
    disk = os.statvfs(path)
    free = disk.f_bavail * disk.f_frsize
    detail = f"{free >> 20} MiB free on the file system of {path}"
    if disk.f_files and disk.f_favail == 0:
        return "fail", f"no inodes free on the file system of {path}", "artac prune"
    if free < _NO_SPACE:
        return "fail", detail, "artac prune"
    return ("warn", detail, "artac prune") if free < _LITTLE_SPACE else ("ok", detail, "")


def _holes(path: Path) -> tuple[str, str, str]:
    """Output is bounded by dropping its oldest blocks, which not every file system can."""
    if not os.access(FALLOCATE, os.X_OK):
        return (
            "fail",
            f"{FALLOCATE} is missing: output cannot be bounded",
            "apt-get install util-linux",
        )
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as file:
            file.write(b"x" * 65536)
            file.flush()
            os.fsync(file.fileno())
            punched = subprocess.run(
                [FALLOCATE, "--punch-hole", "--offset", "0", "--length", "32768", file.name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=10,
            )
    except (OSError, subprocess.SubprocessError) as error:
        return (
            "fail",
            f"no file can be made in {path}: {error}",
            f"touch {shlex.quote(str(path))}/x",
        )
    if punched.returncode != 0:
        return (
            "fail",
            f"the file system of {path} cannot drop a file's oldest part: output is not bounded",
            "set state_directory to a directory on ext4, xfs, btrfs or tmpfs, then restart artac",
        )
    return "ok", "the oldest output can be dropped", ""


def socket(settings: Settings, environ: Mapping[str, str], in_service: bool) -> list[Finding]:
    """The API's socket: its owner, and a mode that lets in nobody but those meant."""
    name = "socket"
    try:
        path = socket_path(settings, environ)
        found = path.lstat()
    except FileNotFoundError:
        fix = "systemctl restart artac"
        return [(name, *(("fail", f"{path} is gone", fix) if in_service else _absent(path)))]
    except (ArtacError, OSError) as error:
        status = "fail" if in_service else "skip"
        return [(name, status, str(error), "systemctl restart artac")]
    return [(name, *socket_verdict(str(path), found, bool(settings.api_group)))]


def _absent(path: Path) -> tuple[str, str, str]:
    return "skip", f"{path} is not there while no daemon runs", ""


def socket_verdict(path: str, found: os.stat_result, shared: bool) -> tuple[str, str, str]:
    """Status, detail and fix for a socket's owner and mode; `shared` when a group may use it."""
    mode, allowed = stat.S_IMODE(found.st_mode), 0o660 if shared else 0o600
    quoted = shlex.quote(path)
    if not stat.S_ISSOCK(found.st_mode):
        fix = f"mv {quoted} {quoted}.old && systemctl restart artac"
        return "fail", f"{path} is not a socket", fix
    if found.st_uid != os.geteuid():
        return "fail", f"{path} belongs to {_owner(found)}", "systemctl restart artac"
    if mode & ~allowed:
        fix = f"chmod {allowed:o} {quoted}"
        return "fail", f"{path} has mode {mode:04o}, looser than {allowed:04o}", fix
    return "ok", f"{path}, mode {mode:04o}", ""


def configuration(environ: Mapping[str, str]) -> list[Finding]:
    """Configuration files that hold secrets and let others read them."""
    try:
        directory = Path(environ.get("ARTAC_CONFIG_DIRECTORY") or config_directory(environ))
    except ArtacError as error:
        return [("configuration", "warn", str(error), "")]
    if directory.is_file():
        directory = directory.parent
    files = [directory / name for name in ("artac.yaml", ".env", "artac.env")]
    try:
        files += sorted((directory / "artac.yaml.d").glob("*.yaml"))
    except OSError:
        pass  # a directory that this account may not list has nothing it would read
    exposed = [path for path in files if is_exposed(path)]
    return [
        (
            "configuration",
            "fail",
            f"{path} seems to hold a secret, and every account can read it",
            _closing(path),
        )
        for path in exposed
    ] or [("configuration", "ok", f"no secret in {directory} that others can read", "")]


def _closing(path: Path) -> str:
    # systemd reads this one, as root.
    if path.name == "artac.env":
        return f"chmod o-rwx {shlex.quote(str(path))}"
    try:
        return config_text.closing(path, path.stat())
    except OSError:
        return f"ls -l {shlex.quote(str(path))}"


def is_exposed(path: Path) -> bool:
    """Whether every account may read a file in which something is named like a secret."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or not found.st_mode & stat.S_IROTH:
            return False
        with open(path, "rb") as file:
            return _SECRET.search(file.read(_LARGEST)) is not None
    except OSError:
        return False


def _owner(found: os.stat_result) -> str:
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return f"uid {found.st_uid}"
