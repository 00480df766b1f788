"""What a virtual machine's disks are made of: kernel, root, artac and tests, Claude Code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support import cache, claude_code
from tests.support.tree import tree

TESTS_INSIDE = "/opt/artac-tests"

RECIPE = "1"
"""Part of the keys: raise it when what is built here changes."""

KERNEL_SUITE = "bookworm"
KERNEL_PACKAGE = "linux-image-cloud-amd64"

# Laid before anything of it is needed: sysusers, units, the agent's program.
_LAYER_UNIT = """\
[Unit]
Description=what the tests put into this machine
DefaultDependencies=no
After=systemd-remount-fs.service
Before=sysinit.target systemd-sysusers.service systemd-tmpfiles-setup.service
ConditionPathExists=!/var/lib/test-layer

[Service]
Type=oneshot
ExecStart=tar --extract --keep-directory-symlink --file=/dev/nvme0n2 --directory=/
ExecStart=touch /var/lib/test-layer
ExecStart=sync
"""

_AGENT_UNIT = f"""\
[Unit]
Description=agent of the tests

[Service]
ExecStart=/usr/bin/python3 -m tests.support.vm_agent /dev/ttyS1
WorkingDirectory={TESTS_INSIDE}
OOMScoreAdjust=-900
TasksMax=infinity
TimeoutStopSec=5
"""

_UNITS = {
    "test-layer.service": (_LAYER_UNIT, "sysinit.target"),
    "test-agent.service": (_AGENT_UNIT, "multi-user.target"),
}


class Unavailable(RuntimeError):
    pass


def kernel() -> Path:
    """Debian's cloud kernel: NVMe, ext4 and serial lines are built in, so no initrd is needed."""
    place = cache.build_once(f"vm-kernel-{RECIPE}", _fetch_kernel)
    return place / "vmlinuz"


def _fetch_kernel(place: Path) -> None:
    print(f"fetching {KERNEL_PACKAGE}, once …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="artac-kernel-") as folder:
        # Unpacked, not installed: from the same archive and by the same means as the trees.
        command = ["mmdebstrap", "--variant=extract", "--architectures=amd64"]
        root = Path(folder, "root")
        _do([*command, f"--include={KERNEL_PACKAGE}", KERNEL_SUITE, str(root)])
        (found,) = root.glob("boot/vmlinuz-*")
        shutil.copyfile(found, place / "vmlinuz")


def root(suite: str) -> Path:
    """The file system of a machine that nothing of artac is in."""
    source = tree(suite)
    units = (text for unit in _UNITS.values() for text in unit)
    key = cache.key(RECIPE, source.name, *units)
    place = cache.build_once(f"vm-{suite}-{key}", lambda place: _build_root(source, place / "root"))
    return place / "root"


def _build_root(source: Path, image: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="artac-vm-units-") as folder:
        steps = []
        for name, (text, target) in _UNITS.items():
            Path(folder, name).write_text(text)
            wants = f"/etc/systemd/system/{target}.wants"
            steps += [
                f"write {folder}/{name} /etc/systemd/system/{name}",
                f"mkdir {wants}",
                f"symlink {wants}/{name} /etc/systemd/system/{name}",
            ]
        script = Path(folder, "script")
        script.write_text("".join(f"{step}\n" for step in steps))
        _do(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", str(source), str(image), "2G"])
        _do(["debugfs", "-w", "-f", str(script), str(image)])


def claude() -> Path:
    """A file system with the real Claude Code in it."""
    source, inside, _ = claude_code.bind()
    version = claude_code.VERSION if source == claude_code.pinned() else str(os.stat(source))
    key = cache.key(RECIPE, str(source), version)

    def build(place: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="artac-vm-claude-", dir=place) as folder:
            shutil.copy(source, Path(folder, Path(inside).name))
            Path(folder).chmod(0o755)
            size = Path(source).stat().st_size // 1_000_000 + 64
            image = place / "image"
            _do(["mke2fs", "-q", "-t", "ext4", "-m", "0", "-d", folder, str(image), f"{size}M"])

    return cache.build_once(f"vm-claude-{key}", build) / "image"


def layer(suite: str, lay: Callable[[Path], None], disk: Path) -> None:
    """Write what `lay` puts into a folder, and the project's tests, as an archive."""
    with tempfile.TemporaryDirectory(prefix="artac-vm-layer-") as folder:
        place = Path(folder)
        lay(place)
        place.chmod(0o755)
        tests = place / TESTS_INSIDE.lstrip("/") / "tests"
        ours = cache.PROJECT / "tests"
        shutil.copytree(ours, tests, ignore=shutil.ignore_patterns("__pycache__"))
        _compile(suite, place)
        with tarfile.open(disk, "w") as archive:
            archive.add(place, ".", filter=_of_root)


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    # The project's folder may be closed to others; in the machine all run its programs.
    if member.name.startswith(f".{TESTS_INSIDE}"):
        member.mode |= (member.mode & 0o700) >> 3 | (member.mode & 0o700) >> 6
    return member


def _compile(suite: str, place: Path) -> None:
    """By the machine's own Python, here: in the machine it takes long."""
    usr = tree(suite) / "usr"
    libraries = usr / "lib/x86_64-linux-gnu"
    command = [
        *(libraries / "ld-linux-x86-64.so.2", "--library-path", libraries, usr / "bin/python3"),
        *("-m", "compileall", "-q", "-f", "-s", place, place),
    ]
    _do([str(word) for word in command], PYTHONHOME=str(usr))


def _do(command: list[str], **environment: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, **environment, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        errors="replace",
    )
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed:\n{done.stdout[-4000:]}")
