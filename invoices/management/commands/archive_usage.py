import datetime as dt
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from invoices.retention.archive import archive_span
from invoices.retention.periods import FEWEST_MONTHS, due_month, latest_month, month_of
from invoices.retention.spans import obstacle_of, spans_before
from usage.archive.parquet import ArchiveError
from usage.billing_hours import database_now

FAILED, BAD_ARGUMENTS = 1, 2


class Command(BaseCommand):
    help = (
        "Moves usage records of closed hours to Parquet files, one for each day of UTC (docs/retention.md)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--before",
            type=_month,
            metavar="MONTH",
            help="Records of months before this one, e.g. 2026-01; else by USAGE_RETENTION_MONTHS.",
        )
        parser.add_argument(
            "--to", type=Path, metavar="DIR", help="The folder of the files; else USAGE_ARCHIVE_DIR."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only list what would be moved.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = database_now()
        before, folder = _before(options["before"], now), options["to"] or Path(settings.USAGE_ARCHIVE_DIR)
        if not folder.is_dir() and not options["dry_run"]:
            raise CommandError(
                f"{folder} is no folder: make it, or give another one.", returncode=BAD_ARGUMENTS
            )
        self.stdout.write(f"Usage records billed before {before:%Y-%m-%d} UTC, to {folder}:")
        days = left = 0
        for span in spans_before(before):
            obstacle = obstacle_of(span)
            days += 1
            if obstacle:
                left += 1
                self.stdout.write(f"{span}: {span.records():,} records stay: {obstacle}.")
            elif options["dry_run"]:
                self.stdout.write(f"{span}: {span.records():,} records would be moved.")
            else:
                archive = _archive(span=span, folder=folder, now=now)
                self.stdout.write(
                    f"{span}: {archive.records:,} records moved to {archive}, {archive.size:,} bytes."
                )
        self.stdout.write(f"{days:,} days, of which {left:,} stay." if days else "There are none.")


def _archive(**arguments: Any) -> Any:
    try:
        return archive_span(**arguments)
    except ArchiveError as error:
        raise CommandError(f"{error} Nothing of this day was moved.", returncode=FAILED) from error


def _before(given: dt.datetime | None, now: dt.datetime) -> dt.datetime:
    before = given or due_month(now)
    if before is None:
        raise CommandError(
            "Give --before MONTH, or set USAGE_RETENTION_MONTHS: as it is, records stay for ever.",
            returncode=BAD_ARGUMENTS,
        )
    if before > (latest := latest_month(now)):
        raise CommandError(
            f"{FEWEST_MONTHS} whole months stay: --before is {latest:%Y-%m} at the latest.",
            returncode=BAD_ARGUMENTS,
        )
    return before


def _month(text: str) -> dt.datetime:
    try:
        return month_of(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a month, such as 2026-01") from None
