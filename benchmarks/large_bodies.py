"""Large and hostile request bodies, many at once, and the memory that the web server needs for them.

`python -m benchmarks.large_bodies` starts the product on a throw-away database and sends every load in turn.
Other programs can use `loads` and `send`: each load is bounded in requests and bytes.
"""

import gzip
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.server import manage, web
from sensenova_billing.dev_server.postgres import throwaway_server

MIB = 2**20
FORM = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=b"
JSON = b"application/json"
SECONDS = 60  # the longest that an answer is waited for
PIECE = 64 * 1024
COOKIE = b"csrftoken=" + b"a" * 32  # without one the CSRF check parses no form


@dataclass(frozen=True)
class Load:
    """The same request, sent so many times at once; `body` makes its bytes anew for each."""

    name: str
    path: str
    content_type: bytes
    body: Callable[[], Iterable[bytes]]
    length: int
    requests: int = 20
    chunked: bool = False
    headers: tuple[bytes, ...] = ()

    def head(self, key: str) -> bytes:
        """Return the request line and the headers; API endpoints are shown the key."""
        framing = b"Transfer-Encoding: chunked" if self.chunked else b"Content-Length: %d" % self.length
        credential = (
            b"Authorization: Bearer " + key.encode() if "/api/" in self.path else b"Cookie: " + COOKIE
        )
        lines = [
            b"POST " + self.path.encode() + b" HTTP/1.1",
            b"Host: localhost",
            b"Connection: close",
            b"Content-Type: " + self.content_type,
            framing,
            credential,
            *self.headers,
        ]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def frames(self) -> Iterator[bytes]:
        """Yield the body as it goes over the wire."""
        for piece in self.body():
            yield b"%x\r\n%s\r\n" % (len(piece), piece) if self.chunked else piece
        if self.chunked:
            yield b"0\r\n\r\n"


@dataclass
class Outcome:
    """What became of a load: answers by status, the seconds until the last, and MiB of memory."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    before: float = 0
    peak: float = 0
    after: float = 0


def repeated(unit: bytes, length: int, start: bytes = b"", end: bytes = b"") -> Callable[[], Iterator[bytes]]:
    """Return a maker of `length` bytes: `start`, as many units as fit, spaces, `end`."""

    def body() -> Iterator[bytes]:
        whole = (length - len(start) - len(end)) // len(unit)
        yield start
        a_piece = max(1, PIECE // len(unit))
        for done in range(0, whole, a_piece):
            yield unit * min(a_piece, whole - done)
        padding = length - len(start) - len(end) - whole * len(unit)
        yield b" " * padding + end if padding else end

    return lambda: (piece for piece in body() if piece)


def json_array(unit: bytes, length: int, last: bytes) -> Callable[[], Iterator[bytes]]:
    """Return a maker of a JSON array of these units, each ending in a comma, and a last one."""
    return repeated(unit, length, b"[", last + b"]")


_FILE_HEAD = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
_BOMB = gzip.compress(b"[" + b"{}," * (64 * MIB // 3) + b"{}]", 6)


def loads() -> list[Load]:
    """Return every load, those of known length first, then the same ones chunked."""
    sign_in, usage = "/sign-in", "/api/v1/usage"
    known = [
        Load("urlencoded form, 16 MiB", sign_in, FORM, repeated(b"%41", 16 * MIB, b"a="), 16 * MIB),
        Load(
            "multipart file, 300 MiB",
            sign_in,
            MULTIPART,
            repeated(b"x" * PIECE, 300 * MIB, _FILE_HEAD, b"\r\n--b--\r\n"),
            300 * MIB,
            requests=2,
        ),
        *(
            Load(
                f"batch of {unit.decode()} 16 MiB",
                usage,
                JSON,
                json_array(unit + b",", 16 * MIB, unit),
                16 * MIB,
                12,
            )
            for unit in (b"{}", b"[]", b"1.5", b'"ab"', b'{"":0}')
        ),
        Load(
            "LiteLLM, floats, 16 MiB",
            "/api/v1/litellm",
            JSON,
            repeated(b"1.5,", 16 * MIB, b'[{"x":[', b"0]}]"),
            16 * MIB,
            12,
        ),
        Load(
            "estimates of {} 1 MiB",
            "/api/v1/estimates",
            JSON,
            repeated(b"{},", MIB, b'{"usage":[', b"{}]}"),
            MIB,
            40,
        ),
    ]
    chunked = [
        Load(
            f"{one.name}, chunked",
            one.path,
            one.content_type,
            one.body,
            one.length,
            one.requests,
            chunked=True,
        )
        for one in known
    ]
    bomb = Load(
        "gzip that unpacks to 64 MiB",
        usage,
        JSON,
        lambda: [_BOMB],
        len(_BOMB),
        12,
        headers=(b"Content-Encoding: gzip",),
    )
    return [*known, *chunked, bomb]


def send(port: int, load: Load, key: str) -> str:
    """Send one request and return the status of its answer; "none" if the connection ended without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        try:
            connection.sendall(load.head(key))
            for frame in load.frames():
                connection.sendall(frame)
        except OSError:
            pass  # an answer may be there already
        try:
            return connection.recv(PIECE).split(b" ", 2)[1].decode()
        except (OSError, IndexError):
            return "none"


def memory_of(server: int) -> float:
    """Return the MiB that a process and its children occupy."""
    found = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(entry.name) == server or int(stat[1]) == server:
            found += int(stat[21]) * 4096
    return found / MIB


def measure(port: int, server: int, load: Load, key: str) -> Outcome:
    """Send a load and watch the server's memory until two seconds after the last answer."""
    outcome = Outcome(before=memory_of(server))
    threads = [
        threading.Thread(target=lambda: outcome.statuses.update([send(port, load, key)]), daemon=True)
        for _ in range(load.requests)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        outcome.peak = max(outcome.peak, memory_of(server))
        time.sleep(0.05)
    outcome.seconds = time.monotonic() - started
    time.sleep(2)
    outcome.after = memory_of(server)
    outcome.peak = max(outcome.peak, outcome.after)
    return outcome


_KEY = (
    "from accounts.api_keys.keys import issue_service_key; print(issue_service_key(name='large bodies')[1])"
)


def main() -> None:
    """Print a line for each load, or for those with the first argument in their name."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        key = manage(url, "shell", "--no-imports", code=_KEY).split()[-1]
        for load in loads():
            if wanted in load.name:
                with web(url) as (port, server):
                    time.sleep(3)
                    outcome = measure(port, server, load, key)
                answers = ", ".join(
                    f"{number} x {status}" for status, number in sorted(outcome.statuses.items())
                )
                memory = f"{outcome.before:,.0f} -> {outcome.peak:,.0f} -> {outcome.after:,.0f} MiB"
                sys.stdout.write(
                    f"{load.requests:3} x {load.name}: {answers} in {outcome.seconds:.1f} s, {memory}\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
