import datetime as dt
import json
import shlex
from functools import partial
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sensenova_billing.demo.accounts import Demo, play_demo
from sensenova_billing.dev_server.data_directory import data_directory
from sensenova_billing.lib import clock
from usage.replay.client import PATH, BatchRejected, NotAnswered, connect

EXAMPLE = {"customer": "harbour-books", "service": "SenseChat-5", "input_tokens": 1200, "output_tokens": 300}


class Command(BaseCommand):
    help = "Fills the demo through the HTTP API at the first start, and shows its sign-ins at every start."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", default=settings.SERVER_URL, help="The server (%(default)s).")

    def handle(self, *args: Any, **options: Any) -> None:
        url, now = options["url"].rstrip("/"), clock.now()
        try:
            demo = play_demo(connect=partial(_connect, url), directory=data_directory(), now=now)
        except (BatchRejected, NotAnswered) as error:
            raise CommandError(f"The demo's usage is not stored: {error}. Run it again.") from error
        except OSError as error:
            raise CommandError(f"The sign-ins cannot be stored: {error}.") from error
        except httpx.InvalidURL as error:
            raise CommandError(str(error)) from error
        self.stdout.write(_block(demo=demo, url=url, now=now))


def _connect(url: str, key: str) -> httpx.Client:
    return connect(url=url, key=key)


def _block(*, demo: Demo, url: str, now: dt.datetime) -> str:
    wide = max(len(one.email) for one in demo.sign_ins)
    rows = [("address", f"{url}/")]
    rows += [(one.what, f"{one.email:<{wide}}  {one.password or _lost(one.email)}") for one in demo.sign_ins]
    rows += [("service key", demo.service_key or "not live any more: make another in the admin")]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows]
    return "\n".join(["", *lines, "", "  Report a call:", f"  {_curl(demo=demo, url=url, now=now)}", ""])


def _lost(email: str) -> str:
    return f"not known here: manage.py changepassword {email}"


def _curl(*, demo: Demo, url: str, now: dt.datetime) -> str:
    record = {"event_id": f"try-{now:%Y%m%dT%H%M%SZ}", "occurred_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", **EXAMPLE}
    key = demo.service_key or "sk_live_..."
    return (
        f"curl {url}{PATH} -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' "
        f"-d {shlex.quote(json.dumps(record, separators=(',', ':')))}"
    )
