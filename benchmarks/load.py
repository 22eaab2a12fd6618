"""Posts bodies over kept connections as fast as they are answered, or at a rate; run as a process of its own.

`python -m benchmarks.load PORT PATH KEY CONNECTIONS SECONDS RATE < bodies`, where bodies are framed by their
length in eight digits. Prints what `benchmarks.server.drive` returns. The time begins when all connections
stand. Bodies that run out before its end are sent again as new records: their ids begin with the number of
the round.

With a rate other than 0, requests are due at even intervals whether or not others are answered by then, and
each is measured from when it was due: a server that stops answers late to all who would have come meanwhile.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Load:
    """What all connections share, and what they have measured."""

    head: bytes
    bodies: Iterator[bytes]
    due: Iterator[float | None]  # when the next request leaves; None: at once
    until: float
    times: list[float] = field(default_factory=list)
    refused: int = 0


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


async def post(load: Load, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send from the shared bodies over one connection until the time is used up."""
    for due, body in zip(load.due, load.bodies, strict=False):
        if due is not None and due > load.until:
            break
        if due is not None:
            await asyncio.sleep(due - time.perf_counter())
        began = time.perf_counter() if due is None else due
        writer.write(load.head + b"%d\r\n\r\n" % len(body) + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        output = await reader.readexactly(length)
        if answer.startswith(b"HTTP/1.1 429"):
            load.refused += 1
        elif not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"{answer.decode()}{output.decode()[:500]}")
        load.times.append(time.perf_counter() - began)
        if time.perf_counter() > load.until:
            break
    writer.close()


async def main(port: int, path: str, key: str, connections: int, seconds: float, rate: float) -> str:
    """Run the load and return what it measured."""
    bodies = rounds(list(frames(sys.stdin.buffer.read())))
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(connections)]
    began = time.perf_counter()
    due = (began + number / rate if rate else None for number in itertools.count())
    load = Load(head, bodies, due, began + seconds)
    await asyncio.gather(*(post(load, *streams) for streams in opened))
    elapsed, times = time.perf_counter() - began, sorted(load.times)
    median, slowest = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
    return f"{len(times)} {elapsed} {median} {slowest} {load.refused}"


if __name__ == "__main__":
    port, path, key, connections, *numbers = sys.argv[1:]
    output = asyncio.run(main(int(port), path, key, int(connections), *map(float, numbers)))
    sys.stdout.write(output + "\n")
