"""A server on loopback that answers as FRED does, or as a test wants it to."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from engine.treasury import TENORS

HEAD = "observation_date," + ",".join(TENORS)


def table(day: str, percent: float = 4.0) -> str:
    """FRED's table with one day of flat yields."""
    return f"{HEAD}\n{day}" + f",{percent}" * len(TENORS) + "\n"


@dataclass
class Treasury:
    """What it will answer, and what it was asked."""

    url: str
    body: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    resets: bool = False
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):  # a client that leaves early is part of a test
        pass


@contextmanager
def running_treasury() -> Iterator[Treasury]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == "/moved":
                self.send_response(301)
                self.send_header("Location", f"{treasury.url}?{address.query}")
                self.end_headers()
                return
            treasury.asked.append(parse_qs(address.query))
            if treasury.silent:
                treasury.over.wait()
                return
            if treasury.resets:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            body = treasury.body.encode()
            self.send_response(treasury.status)
            for name, value in {"Content-Length": str(len(body)), **treasury.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    treasury = Treasury(f"http://127.0.0.1:{server.server_port}/graph.csv")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield treasury
    finally:
        treasury.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
