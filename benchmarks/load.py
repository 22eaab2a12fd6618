"""Posts bodies over kept connections as fast as they are answered; run as a process of its own.

`python -m benchmarks.load PORT PATH KEY CONNECTIONS SECONDS < bodies`, where bodies are framed by their
length in eight digits. Prints answers, seconds and the slowest of the fastest 99 % in milliseconds.
Bodies that run out before the time are sent again as new records: their ids begin with the round's number.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator


def rounds(bodies: list[bytes]) -> Iterator[bytes]:
    """Return the bodies as they are, and then over and over with other ids."""
    yield from bodies
    for number in itertools.count(1):
        for body in bodies:
            yield body.replace(b'"event_id": "', b'"event_id": "%d-' % number)


def frames(data: bytes) -> Iterator[bytes]:
    """Return the bodies that were written one after the other."""
    place = 0
    while place < len(data):
        end = place + 8 + int(data[place : place + 8])
        yield data[place + 8 : end]
        place = end


async def post(port: int, head: bytes, bodies: Iterator[bytes], until: float, times: list[float]) -> None:
    """Send from the shared bodies over one connection until the time is used up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for body in bodies:
        began = time.perf_counter()
        writer.write(head + b"%d\r\n\r\n" % len(body) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        told = await reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{answer.decode()}{told.decode()[:500]}")
        times.append(time.perf_counter() - began)
        if time.perf_counter() > until:
            break
    writer.close()


async def main(port: int, path: str, key: str, connections: int, seconds: float) -> str:
    """Run the load and return what it measured."""
    bodies = rounds(list(frames(sys.stdin.buffer.read())))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    times: list[float] = []
    began = time.perf_counter()
    until = began + seconds
    await asyncio.gather(*(post(port, head, bodies, until, times) for _ in range(connections)))
    elapsed = time.perf_counter() - began
    return f"{len(times)} {elapsed} {sorted(times)[int(len(times) * 0.99)] * 1000}"


if __name__ == "__main__":
    port, path, key, connections, seconds = sys.argv[1:]
    sys.stdout.write(asyncio.run(main(int(port), path, key, int(connections), float(seconds))) + "\n")
