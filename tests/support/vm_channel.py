"""The tests' end of the line to a virtual machine's agent."""

from __future__ import annotations

import itertools
import socket
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late

from tests.support.vm_frames import Closed, Frames, Message


class Channel:
    """Requests and their answers; any number at once."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._frames = Frames(line.fileno(), paced=True, acknowledging=False)
        self._numbers = itertools.count(1)
        # 0 is the agent's own first word.
        self._waiting: dict[int, Future[Message]] = {0: Future()}
        self._hello = self._waiting[0]
        self._guard = threading.Lock()
        self._open = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_agent(self, timeout: float) -> None:
        self._result(self._hello, timeout)

    def call(self, request: Message, timeout: float) -> Message:
        """Closed when the machine goes away meanwhile, TimeoutError when it is silent."""
        number = next(self._numbers)
        answer: Future[Message] = Future()
        with self._guard:
            if not self._open:
                raise Closed
            self._waiting[number] = answer
        self._frames.send({**request, "id": number})
        return self._result(answer, timeout)

    def close(self) -> None:
        """To be called when the other end is closed already."""
        self._reader.join()
        self._line.close()

    def _result(self, answer: Future[Message], timeout: float) -> Message:
        try:
            return answer.result(timeout)
        except Late:
            raise TimeoutError(
                f"no answer from the machine's agent after {timeout:.0f} s"
            ) from None

    def _read(self) -> None:
        try:
            while True:
                message = self._frames.receive()
                with self._guard:
                    answer = self._waiting.pop(message["id"])
                answer.set_result(message)
        except Closed:
            with self._guard:
                self._open = False
                left = list(self._waiting.values())
            for answer in left:
                answer.set_exception(Closed())
