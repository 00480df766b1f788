"""Runs the parts of the tests, two at a time, and prints each as a whole when it has ended.

`python3 -m tests.support.parts PART[,PART...] ...`: each argument is a row of parts that follow
each other; the rows go on beside each other. The parts mostly wait for processes to start and to
end, so two rows on two cores take little more than half of the time.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Timer

# How long a part that is stopped may take (seconds); CI kills everything after 30.
_CLEAN_UP = 15.0

_printing = Lock()
_stopped = Event()


def _print(part: str, output: Path, told: str) -> None:
    with _printing:
        print(f"== {part} ==", flush=True)
        with output.open("rb") as found:
            shutil.copyfileobj(found, sys.stdout.buffer)
        print(f"== {part} {told} ==\n", flush=True)


class Run:
    """All rows, with a directory for what they print."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.passed: list[str] = []
        self.failed: list[str] = []
        self.notes = directory / "not-run"

    def row(self, parts: list[str]) -> None:
        for part in parts:
            if _stopped.is_set():
                return
            self._part(part)

    def _part(self, part: str) -> None:
        began = time.monotonic()
        output = self._directory / part
        environment = {**os.environ, "NOT_RUN_NOTES": str(self.notes)}
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["make", "--no-print-directory", part],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )
            self._running[part] = process
            code = process.wait()
        del self._running[part]
        seconds = time.monotonic() - began
        told = "passed" if code == 0 else "was stopped" if _stopped.is_set() else "FAILED"
        (self.failed if code else self.passed).append(part)
        _print(part, output, f"{told} after {seconds:.0f} s")

    def stop(self) -> None:
        """Let what runs clean up after itself; it is printed as far as it got."""
        _stopped.set()
        # As Ctrl-C in a terminal would: to make, its shell and pytest, which then cleans up.
        self._signal(signal.SIGINT)
        late = Timer(_CLEAN_UP, self._signal, (signal.SIGTERM,))
        late.daemon = True
        late.start()

    def _signal(self, number: signal.Signals) -> None:
        for process in list(self._running.values()):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)


def main(rows: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="artac-parts-") as directory:
        run = Run(Path(directory))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: run.stop())
        with ThreadPoolExecutor() as pool:
            under_way = [pool.submit(run.row, row.split(",")) for row in rows]
        for row_done in under_way:
            row_done.result()
        notes = run.notes.read_text() if run.notes.exists() else ""
    print("== summary ==")
    print(f"passed{' (what of it was run)' if notes else ''}: {' '.join(run.passed) or 'nothing'}")
    if notes:
        print("NOT RUN HERE:")
        print("".join(f"  {line}\n" for line in notes.splitlines()), end="")
    if run.failed:
        print(f"FAILED: {' '.join(run.failed)}")
    return 1 if run.failed or _stopped.is_set() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
