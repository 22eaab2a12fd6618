"""A receiver of webhooks on this machine, which answers as a test tells it."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# Of hooks.example, signed by itself; it is known to nobody but the tests.
CERTIFICATE = Path(__file__).with_name("hooks.example.pem")
PATIENCE = 20.0


@dataclass(frozen=True)
class Received:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """What arrived, and the next answers: a status, a status with more, or a way to behave badly."""

    url: str
    answers: list[Any] = field(default_factory=list)  # 200 once they are used up
    received: list[Received] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[str]:
        """The ids of the events that arrived."""
        return [one.headers["webhook-id"] for one in self.received]


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_POST(self) -> None:
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.received.append(Received(self.path, headers, body))
        answer = receiver.answers.pop(0) if receiver.answers else 200
        receiver.arrived.release()
        match answer:
            case "hang":
                receiver.release.wait(PATIENCE)
            case "late":
                receiver.release.wait(PATIENCE)
                self._answer(200)
            case "drip":
                # A line of headers now and then, for ever.
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not receiver.release.wait(0.05):
                    self.wfile.write(b"X-More: 1\r\n")
            case "nonsense":
                self.wfile.write(b"no HTTP at all\r\n\r\n")
            case int():
                self._answer(answer)
            case status, headers, text:
                self._answer(status, headers, text)

    def _answer(self, status: int, headers: dict[str, str] | None = None, text: bytes = b"") -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    receiver: Receiver

    def handle_error(self, *args: Any) -> None:
        """A sender that has gone away is no error of the receiver."""


@contextmanager
def listening(*, tls: bool = False) -> Iterator[Receiver]:
    """Take webhooks until the end."""
    server = _Server(("127.0.0.1", 0), _Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(f"http{'s' * tls}://127.0.0.1:{server.server_port}/hooks")
    server.receiver = receiver
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
