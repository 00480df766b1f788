"""`flood ROUNDS BYTES CLAUDE`: bytes per second of a stand-in that floods its output.

The time is the stand-in's own for its turn, as its `result` event has it: of a session's, and of
one whose output is a file that this program opened on the same file system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

from . import api, turns

STREAM = "-p --input-format stream-json --output-format stream-json --verbose".split()


class Flood:
    """One size of flood, both ways."""

    def __init__(self, size: int, claude: str) -> None:
        self._size = size
        self._claude = claude
        self.noticed: list[float] = []

    def hosted(self) -> float:
        """Through artac: its turn's throughput."""
        session = api.run()
        api.wait(session, "idle")
        output = Path(api.call("GET", f"/v1/sessions/{session}")["session"]["output"]["path"])
        started = time.perf_counter()
        api.call("POST", f"/v1/sessions/{session}/messages", {"text": f"!flood {self._size}"})
        api.wait(session, "idle")
        self.noticed.append(time.perf_counter() - started)
        found = self._throughput(output)
        api.remove(session)
        return found

    def alone(self) -> float:
        """The same program, writing a file itself."""
        output = Path(api.WORK).parent / "flood"
        argv = [self._claude, *STREAM, "--session-id", str(uuid.uuid4())]
        prompt = {"role": "user", "content": f"!flood {self._size}"}
        with output.open("ab") as file:
            subprocess.run(
                argv,
                input=json.dumps({"type": "user", "message": prompt}).encode() + b"\n",
                stdout=file,
                cwd=api.WORK,
                check=True,
            )
        found = self._throughput(output)
        output.unlink()
        return found

    def _throughput(self, output: Path) -> float:
        with output.open("rb") as file:
            # What one round has left to be written must not slow down the next.
            os.fsync(file.fileno())
            written = file.seek(0, os.SEEK_END)
            file.seek(-65536, os.SEEK_END)
            lines = file.read().splitlines()
        if written < self._size:
            raise RuntimeError(f"{output} has {written} bytes")
        result = next(line for line in reversed(lines) if b'"type":"result"' in line)
        return self._size / (int(json.loads(result)["duration_ms"]) / 1000)


if __name__ == "__main__":
    flood = Flood(int(sys.argv[2]), sys.argv[3])
    times = turns.interleave(int(sys.argv[1]), flood.hosted, flood.alone)
    turns.tell({**times, "noticed": flood.noticed[1:]})
