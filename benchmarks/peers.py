"""`make bench-peers TRACE=...`: a trace through CloudKitty and through this product, in turn.

CloudKitty rates points that are in its memory and stores them in its SQL storage. Here the calls are sent to
the HTTP API in batches of 1,000 by a command that is started for it, stored, and their hours are closed into
bills. Each has a PostgreSQL of its own; the prices are those of the catalogue.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import psycopg

from benchmarks.server import manage, web
from sensenova_billing.dev_server.postgres import throwaway_server

PEER = Path(".venv/peers/bin/python")
SCRIPT = Path(__file__).with_name("rate_with_cloudkitty.py")
SERVICE = "SenseChat-5"
PREPARE = """
from accounts.api_keys.keys import issue_service_key
from accounts.models import Customer
customer = Customer.objects.create(code="acme", name="Acme Ltd")
print(issue_service_key(name="bench", customers=[customer], scopes=["usage:write"])[1])
"""
# The trace is of one hour and some minutes; so are its hours here.
CLOSE = """
import datetime as dt, time
from invoices.closing.close import close_hour
from usage.billing_hours import database_now
start, now = dt.datetime.fromisoformat("{start}"), database_now()
began = time.perf_counter()
for hours in range(2):
    close_hour(hour=start + hours * dt.timedelta(hours=1), now=now)
print(time.perf_counter() - began)
"""
LINES = """
SELECT measure, min(unit_price / unit_size), sum(amount) FROM invoices_chargeline GROUP BY measure
"""

HEAD = """\
| sending | closing | CloudKitty: rating | storing | its time / ours | billed | it rated | it stored |
|---|---|---|---|---|---|---|---|
"""


class Ours(NamedTuple):
    """Seconds, the exact sum in RMB, and the cost of a token of input and of output."""

    sending: float
    closing: float
    amount: Decimal
    costs: tuple[Decimal, Decimal]


def bill(trace: Path) -> Ours:
    """Send the trace to the API, close its hours, and return what the charge lines say."""
    start = (time.time() // 3600 - 3) * 3600
    iso = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(start))
    with throwaway_server() as url:
        manage(url, "migrate", "--verbosity", "0")
        manage(url, "load_catalogue")
        key = manage(url, "shell", "-v0", code=PREPARE).split()[-1]
        with web(url) as (port, _):
            began = time.perf_counter()
            arguments = ("--customer", "acme", "--service", SERVICE, "--start", iso, "--key", key)
            manage(url, "replay_trace", str(trace), *arguments, "--url", f"http://127.0.0.1:{port}")
            sending = time.perf_counter() - began
        closing = float(manage(url, "shell", "-v0", code=CLOSE.format(start=iso)).split()[-1])
        with psycopg.connect(url) as connection:
            lines = {measure: (cost, amount) for measure, cost, amount in connection.execute(LINES)}
    costs = lines["input_tokens"][0].normalize(), lines["output_tokens"][0].normalize()
    return Ours(sending, closing, sum((amount for _, amount in lines.values()), Decimal(0)), costs)


def rate_with_peer(trace: Path, costs: tuple[Decimal, Decimal]) -> dict[str, str]:
    """Return what CloudKitty says of the same trace: seconds, and the sums that it rated and stored."""
    with throwaway_server() as url:
        address = "postgresql+psycopg" + url[url.index(":") :]
        command = [
            str(PEER),
            "-W",
            "ignore",
            str(SCRIPT),
            address,
            str(trace),
            *(f"{one:f}" for one in costs),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    answer: dict[str, str] = json.loads(ran.stdout)
    return answer


def main() -> None:
    """Print Markdown; end with 1 where what CloudKitty rated is not exactly what is billed here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("trace", type=Path, help="CSV: TIMESTAMP,ContextTokens,GeneratedTokens")
    parser.add_argument("--calls", type=int, help="only so many of the first ones")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    say = sys.stdout.write
    with tempfile.NamedTemporaryFile("w+", suffix=".csv") as part, options.trace.open() as whole:
        lines = [*islice(whole, options.calls and options.calls + 1)]
        part.writelines(lines)
        part.flush()
        say(f"{len(lines) - 1:,} calls; seconds\n\n{HEAD}")
        is_same = True
        for _ in range(options.rounds):
            ours = bill(Path(part.name))
            peer = rate_with_peer(Path(part.name), ours.costs)
            took = float(peer["rating"]), float(peer["storing"])
            ratio = sum(took) / (ours.sending + ours.closing)
            rated = Decimal(peer["rated"])
            say(
                f"| {ours.sending:.2f} | {ours.closing:.2f} | {took[0]:.2f} | {took[1]:.2f} | {ratio:.1f} "
                f"| {ours.amount.normalize():f} | {rated.normalize():f} | {peer['stored']} |\n"
            )
            sys.stdout.flush()
            is_same &= ours.amount == rated
    sys.exit(0 if is_same else 1)


if __name__ == "__main__":
    main()
