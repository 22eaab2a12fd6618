"""`make fuzz`: damaged bodies to every endpoint and form of a real server, none of which may be a fault.

Ends with 1 if an answer was 5xx or missing, and names the number of each such request: with the same seed,
`--only NUMBER` sends that one alone.
"""

import argparse
import datetime as dt
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.server import manage, web
from sensenova_billing.dev_server.postgres import throwaway_server
from tests.fuzz.mutations import TOKEN, Request, request_of

PREPARE = """
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer, User
from django.test import Client
Customer.objects.create(code="acme", name="Acme Ltd")
operator = User.objects.create_superuser("operator@sensenova.example", "correct horse battery staple")
client = Client()
client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
_, key = issue_service_key(name="gateway", scopes=["usage:write", "calls:admit"])
print(client.cookies["sessionid"].value, key)
"""
SECONDS_FOR_AN_ANSWER = 30


@dataclass
class Tally:
    """What was answered, by kind of path and status, and which requests were faults."""

    statuses: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, number: int, request: Request, status: str) -> None:
        """Count an answer; one that is missing is none of ours where the client lied about the length."""
        with self.lock:
            self.statuses[status] += 1
            if status.startswith("5") or (status == "none" and not request.lie):
                shown = f"{request.path} {request.headers} {request.body[:300]!r}"
                self.faults.append(f"{number}: {status} {shown}")


def send(port: int, request: Request) -> str:
    """Send a request, end the sending side, and return the status of the answer, or "none"."""
    framing = (
        "Transfer-Encoding: chunked"
        if request.chunked
        else f"Content-Length: {max(0, len(request.body) + request.lie)}"
    )
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    line = f"POST {request.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head = f"{line}{framing}\r\n{headers}\r\n"
    body = request.body
    if request.chunked:
        middle = len(body) // 2
        pieces = [piece for piece in (body[:middle], body[middle:]) if piece]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_FOR_AN_ANSWER) as connection:
        try:
            connection.sendall(head.encode("latin-1") + body)
            if request.lie > 0:
                connection.shutdown(socket.SHUT_WR)
            return connection.recv(4096).split(b" ", 2)[1].decode()
        except (OSError, IndexError):
            return "none"


def main() -> None:
    """Send the requests, within the time limit, and print the answers by status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    numbers = iter(range(options.count) if options.only is None else [options.only])
    tally, deadline, taking = Tally(), time.monotonic() + options.seconds, threading.Lock()
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        session, key = manage(url, "shell", "--no-imports", code=PREPARE).split()[-2:]
        cookie = f"sessionid={session}; csrftoken={TOKEN}"
        moment = dt.datetime.now(dt.UTC).isoformat()

        def work() -> None:
            while time.monotonic() < deadline:
                with taking:
                    number = next(numbers, None)
                if number is None:
                    return
                request = request_of(options.seed, number, key=key, cookie=cookie, moment=moment)
                tally.count(number, request, send(port, request))

        with web(url, LOG_LEVEL="CRITICAL") as (port, _):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    answers = ", ".join(f"{number} x {status}" for status, number in sorted(tally.statuses.items()))
    sys.stdout.write(f"seed {options.seed}: {tally.statuses.total():,} requests, answered {answers}\n")
    sys.stdout.writelines(f"fault {fault}\n" for fault in tally.faults)
    sys.exit(
        1 if tally.faults or tally.statuses.total() < (options.count if options.only is None else 1) else 0
    )


if __name__ == "__main__":
    main()
