import argparse
import datetime as dt
import os
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.api_keys.keys import KEY_FORM
from sensenova_billing.lib import clock
from sensenova_billing.lib.command_arguments import hour_argument
from usage.ingest.payload import MAX_BATCH
from usage.ingest.record import Receipt
from usage.replay.client import connect
from usage.replay.trace import BadTrace, Replay, ReplayStopped, read_trace, replay_trace

KEY_VARIABLE = "SENSENOVA_SERVICE_KEY"


class Command(BaseCommand):
    help = "Sends a CSV trace of model calls to the HTTP API as a customer's usage, moved to another hour."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", type=Path, help="CSV: TIMESTAMP,ContextTokens,GeneratedTokens; times in UTC."
        )
        parser.add_argument("--customer", required=True, help="The customer's code.")
        parser.add_argument("--service", required=True, help="E.g. SenseChat-5.")
        parser.add_argument(
            "--start",
            required=True,
            type=hour_argument,
            help="The hour of the first call, e.g. 2026-01-31T18:00Z.",
        )
        parser.add_argument("--url", default=settings.SERVER_URL, help="The server (%(default)s).")
        parser.add_argument("--key", default="", help=f"A service key; else ${KEY_VARIABLE} is used.")
        parser.add_argument(
            "--batch", type=_batch_size, default=1000, help="Calls in one request (%(default)s)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = _key(options["key"])
        try:
            replay = Replay(
                trace=read_trace(file=options["file"]),
                customer=options["customer"],
                service=options["service"],
                start=options["start"],
            )
            _require_past(replay=replay, now=clock.now())
            receipt = _send(replay=replay, url=options["url"], key=key, batch=options["batch"])
        except (BadTrace, ReplayStopped, httpx.InvalidURL) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{receipt.accepted:,} accepted, {receipt.duplicates:,} duplicates.")


def _send(*, replay: Replay, url: str, key: str, batch: int) -> Receipt:
    with (
        connect(url=url, key=key) as client,
        tqdm(total=replay.trace.calls, unit=" calls", disable=None) as bar,
    ):
        return replay_trace(replay=replay, client=client, batch=batch, progress=bar.update)


def _key(option: str) -> str:
    key = (option or os.environ.get(KEY_VARIABLE, "")).strip()
    if not key:
        raise CommandError(
            f"Give a service key with --key or in {KEY_VARIABLE}; make one in the admin, under Service keys."
        )
    if not KEY_FORM.fullmatch(key):
        raise CommandError(
            "This is not a whole service key: it reads sk_live_..._... and is shown once, when made."
        )
    return key


def _require_past(*, replay: Replay, now: dt.datetime) -> None:
    # The server would reject only the batches in the future, and half a trace would be billed.
    if replay.last > now:
        raise CommandError(
            f"With this start the last call would be at {replay.last:%Y-%m-%d %H:%M} UTC, "
            "which is still to come; nothing was sent."
        )


def _batch_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_BATCH):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_BATCH:,}")
    return int(text)
