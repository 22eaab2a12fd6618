from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from invoices.books.compare import finding_text
from invoices.books.read import Seal
from invoices.books.rerun import repeat_rating
from invoices.books.results import store_verification
from invoices.books.verify import Verified, verify_books
from invoices.seals.seal_list import ListedSeal, read_list
from sensenova_billing.lib.command_arguments import hour_argument
from usage.billing_hours import database_now
from usage.models import HOUR

FOUND, BAD_ARGUMENTS = 1, 2


class Command(BaseCommand):
    help = "Works out what closed hours say once more from raw records, and compares. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", type=hour_argument, help="The first hour, e.g. 2026-01-31T18:00Z; else all."
        )
        parser.add_argument(
            "--to", type=hour_argument, help="The first hour after; else to the last closed one."
        )
        parser.add_argument(
            "--rerate", action="store_true", help="Rate each hour again by the closing's own statement, too."
        )

        parser.add_argument(
            "--record", action="store_true", help="Store the result, as the clock does each night."
        )

        parser.add_argument(
            "--seals",
            type=Path,
            metavar="FILE",
            help="Compare with the seals that were kept in this file, or in the files of this directory.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        first, end = options["from"], options["to"]
        if first and end and first >= end:
            raise CommandError("--to must be after --from.", returncode=BAD_ARGUMENTS)
        published = _read_seals(options["seals"]) if options["seals"] else []
        verified = verify_books(
            published_seals=published,
            from_hour=first,
            until_hour=end,
            watch=_bar,
            besides=repeat_rating if options["rerate"] else None,
        )
        if options["record"]:
            store_verification(verified=verified, now=database_now())
        self._say(verified, again=options["rerate"])
        if published:
            hours = f"{min(published).hour:%Y-%m-%d %H:%M} to {max(published).hour + HOUR:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"Compared with {len(published):,} seals of {options['seals']}, of {hours}.")
        if verified.findings.count:
            raise CommandError(f"{verified.findings.count:,} findings.", returncode=FOUND)

    def _say(self, verified: Verified, *, again: bool) -> None:
        self.stdout.write(
            "Amounts, quantities, prices, sums, corrections, parked hours, seals and their chain, gaps, "
            f"the database's guards{', and rating again' if again else ''}:"
        )
        if verified.hours:
            self.stdout.write(
                f"{verified.from_hour:%Y-%m-%d %H:%M} to {verified.until_hour:%Y-%m-%d %H:%M} UTC: "
                f"{verified.hours:,} hours, {verified.records:,} records, {verified.bills:,} bills, "
                f"{verified.lines:,} lines, in {verified.took.total_seconds():,.1f} s"
            )
        else:
            self.stdout.write("No hour of that span is closed.")
        if verified.archived_hours:
            left_out = "; these were not rated again" if again else ""
            self.stdout.write(
                f"The records of {verified.archived_hours:,} hours were read from archives in "
                f"{settings.USAGE_ARCHIVE_DIR}{left_out}."
            )
        for found in verified.findings.first:
            self.stdout.write(finding_text(found.as_json()))
        more = verified.findings.count - len(verified.findings.first)
        if more:
            self.stdout.write(f"... and {more:,} more.")
        if not verified.findings.count:
            self.stdout.write("No finding.")


def _read_seals(path: Path) -> list[ListedSeal]:
    try:
        files = sorted(path.rglob("*.csv")) if path.is_dir() else [path]
        seals = [seal for file in files for seal in read_list(file.read_text("utf-8").splitlines())]
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}", returncode=BAD_ARGUMENTS) from error
    if not seals:
        raise CommandError(f"{path} holds no seals.", returncode=BAD_ARGUMENTS)
    return seals


def _bar(seals: list[Seal]) -> Iterable[Seal]:
    return tqdm(seals, unit=" hours", disable=None)
