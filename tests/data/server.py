"""A server of one file on the loopback, with the faults that real ones have."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """Serves `content` under any path.

    Attributes
    ----------
    ranges : bool
        Whether it knows the Range header.
    breaks : list of int
        Of each answer in turn, after how many bytes the connection breaks off.
    pause : float
        Seconds between pieces of 1 kB.
    asked : list of (str, str or None)
        Path and Range header of each request.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.ranges = True
        self.breaks: list[int] = []
        self.pause = 0.0
        self.status = 200
        self.etag = '"one"'
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""


@contextmanager
def serving(content: bytes) -> Iterator[Server]:
    server = Server(content)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append((self.path, wanted))
            if server.status != 200:
                self.send_error(server.status)
                return
            start = 0
            same = self.headers.get("If-Range") in (None, server.etag)
            if server.ranges and wanted is not None and same:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(server.content):
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(server.content)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(206)
                last = len(server.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
            else:
                self.send_response(200)
            body = server.content[start:]
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", server.etag)
            self.end_headers()
            if server.breaks:
                body = body[: server.breaks.pop(0)]
            for i in range(0, len(body), 1024):
                try:
                    self.wfile.write(body[i : i + 1024])
                except OSError:  # the client went away
                    return
                time.sleep(server.pause)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}/file.bin"
        try:
            yield server
        finally:
            http.shutdown()
