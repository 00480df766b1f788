"""A receiver of posts on the loopback that answers as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.backend import until


@dataclass(frozen=True)
class Post:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass
class Receiver:
    """`answer` gives the status for a post: an int, or a function of it that may take its time."""

    url: str
    answer: int | Callable[[Post], int] = 204
    posts: list[Post] = field(default_factory=list)
    location: str = ""

    def wait(self, count: int = 1, **wanted: str) -> list[Post]:
        """The posts whose events have those values, once there are so many."""

        def look() -> list[Post]:
            found = [post for post in self.posts if wanted.items() <= post.event.items()]
            return found if len(found) >= count else []

        found: list[Post] = until(look, f"{count} posts {wanted} among {self.posts}")
        return found


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that runs; all that it still holds up is let go of at the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            post = Post(self.path, dict(self.headers), body)
            answer = told.answer  # who has seen the post may change it
            told.posts.append(post)
            status = answer if isinstance(answer, int) else answer(post)
            try:
                self.send_response(status)
                if told.location:
                    self.send_header("Location", told.location)
                self.end_headers()
            except OSError:
                pass  # who has posted does not wait any more

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
