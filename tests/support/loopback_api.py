"""A loopback Messages API that the Claude Code CLI accepts as ANTHROPIC_BASE_URL.

For tests and demos only: it answers offline by script, no model is behind it.

    python3 -m tests.support.loopback_api [--host 127.0.0.1] [--port N] [--port-file PATH]

GET /_log      JSON list of the requests so far (no headers, no keys)
GET /_counts   JSON object: user text -> how often it reached the model as a prompt
POST /_clear   forgets both
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import re
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from tests.support import loopback_sse as sse
from tests.support.loopback_log import RequestLog
from tests.support.loopback_script import (
    DIRECTIVES,
    Fail,
    Reply,
    UseBash,
    UseTool,
    choose_reply,
    offers_bash,
    pieces,
    read_request,
)

BODY_LIMIT = 64 * 1024 * 1024
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        self.log = RequestLog()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer asks the resolver for its own name here; there may be none. Connections of a
        # server that has just ended must not keep the next one from its port.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "artac-loopback-api"
    # A streamed delta must not wait for the acknowledgement of the one before.
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        self.server.log.add("probe", method="HEAD", path=self.path)
        self._json({})

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/_log":
            self._json(self.server.log.entries())
        elif path == "/_counts":
            self._json(self.server.log.counts())
        elif path == "/":
            self.server.log.add("probe", method="GET", path=path)
            self._json({"service": "artac loopback API", "model": None, "for": "tests and demos"})
        elif path == "/v1/models":
            self.server.log.add("other", method="GET", path=path)
            self._json({"data": [], "has_more": False, "first_id": None, "last_id": None})
        else:
            self.server.log.add("other", method="GET", path=path)
            self._not_found()

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        body = self._body()
        if body is None:
            return
        if path == "/v1/messages":
            self._messages(body)
        elif path == "/v1/messages/count_tokens":
            self.server.log.add("count_tokens", method="POST", path=path)
            self._json({"input_tokens": max(1, len(json.dumps(body)) // 4)})
        elif path == "/_clear":
            self.server.log.clear()
            self._json({})
        else:
            self.server.log.add("other", method="POST", path=path)
            self._not_found()

    def _messages(self, body: dict[str, Any]) -> None:
        log = self.server.log
        entry = log.add("turn", method="POST", path="/v1/messages")
        asked = read_request(body)
        session = self._session(body)
        log.describe(entry, asked, session, bool(body.get("stream")))
        reply = choose_reply(
            asked,
            has_bash=offers_bash(body),
            earlier_failures=log.failures(session, asked.text),
        )
        try:
            if isinstance(reply, Fail):
                log.add_failure(session, asked.text)
                log.outcome(entry, "cut" if reply.status is None else f"error {reply.status}")
                self._fail(reply, entry["number"])
            else:
                self._answer(reply, entry["number"], bool(body.get("stream")))
                log.outcome(entry, "answered")
        except ConnectionError:
            log.outcome(entry, "client gone")
            self.close_connection = True

    def _answer(self, reply: Reply, number: int, stream: bool) -> None:
        block: dict[str, Any] = {"type": "text", "text": ""}
        stop = "end_turn"
        if isinstance(reply, UseBash):
            block, stop = sse.bash_block(number, reply.command), "tool_use"
        elif isinstance(reply, UseTool):
            block, stop = sse.tool_block(number, reply.name, reply.input), "tool_use"
        if not stream:
            if block["type"] == "text":
                block["text"] = "".join(pieces(reply))
            self._json(sse.message(number, [block], stop))
            return
        self._start_stream()
        opened = {**block, "input": {}} if stop == "tool_use" else block
        self._chunk(sse.opening(number, opened))
        if stop == "tool_use":
            self._chunk(sse.json_delta(block["input"]))
        for piece in pieces(reply):
            self._chunk(sse.text_delta(piece))
        self._chunk(sse.closing(stop))
        self.wfile.write(b"0\r\n\r\n")

    def _fail(self, reply: Fail, number: int) -> None:
        if reply.status is not None:
            self._json(sse.error(reply.status), status=reply.status)
            return
        self._start_stream()
        self._chunk(sse.opening(number, {"type": "text", "text": ""}))
        self._chunk(sse.text_delta("cut he"))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _json(self, value: Any, *, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _not_found(self) -> None:
        body = {"type": "error", "error": {"type": "not_found_error", "message": "not served"}}
        self._json(body, status=404)

    def _body(self) -> dict[str, Any] | None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_LIMIT:
            self.close_connection = True
            self._json(sse.error(400), status=413)
            return None
        raw = self.rfile.read(length)
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self._json(sse.error(400), status=400)
            return None
        return body

    def _session(self, body: dict[str, Any]) -> str:
        if header := self.headers.get("X-Claude-Code-Session-Id"):
            return str(header)
        metadata = body.get("metadata")
        user = metadata.get("user_id", "") if isinstance(metadata, dict) else ""
        found = _UUID.findall(str(user))
        return found[-1] if found else ""

    def log_message(self, format: str, *args: Any) -> None:
        pass


class LoopbackApi:
    """The server in a thread: `with LoopbackApi() as api: … api.url …`."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        require_loopback(host)
        self._server = _Server(host, port)
        self.port: int = self._server.server_port
        self.url = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def log(self) -> RequestLog:
        return self._server.log

    def __enter__(self) -> LoopbackApi:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve_forever(self) -> None:
        self._server.serve_forever()


def require_loopback(host: str) -> None:
    if host == "localhost":
        return
    try:
        loopback = ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"{host!r} is not an IPv4 loopback address")


def _write_port_file(path: str, port: int) -> None:
    partial = f"{path}.partial"
    with open(partial, "w") as file:
        file.write(f"{port}\n")
    os.replace(partial, path)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Loopback Messages API for tests and demos; answers offline, no model.",
        epilog=DIRECTIVES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    options = parser.parse_args()
    try:
        api = LoopbackApi(options.host, options.port)
    except (ValueError, OSError) as error:
        print(f"loopback API: {error}", file=sys.stderr)
        return 2
    print(f"loopback API on {api.url}: for tests and demos only, no model answers", flush=True)
    if options.port_file:
        _write_port_file(options.port_file, api.port)
    try:
        api.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
