from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from invoices.retention.restore import restore_archive
from usage.archive.parquet import ArchiveError
from usage.billing_hours import database_now
from usage.models import UsageArchive

FAILED, BAD_ARGUMENTS = 1, 2


class Command(BaseCommand):
    help = "Puts the usage records of an archive back into the database (docs/retention.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "archive", nargs="?", help="Its file as listed, or a day such as 2026-01-31. Without: lists them."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        there = UsageArchive.objects.filter(restored_at__isnull=True)
        if not options["archive"]:
            for one in there.order_by("from_hour"):
                self.stdout.write(f"{one.from_hour:%Y-%m-%d}: {one.records:,} records in {one}")
            return
        named = options["archive"]
        archive = next((one for one in there if named in (one.file, f"{one.from_hour:%Y-%m-%d}")), None)
        if archive is None:
            raise CommandError(f"There is no archive {named}.", returncode=BAD_ARGUMENTS)
        try:
            restore_archive(archive=archive, now=database_now())
        except ArchiveError as error:
            raise CommandError(f"{error} Nothing was restored.", returncode=FAILED) from error
        self.stdout.write(f"{archive.records:,} records of {archive} are in the database again.")
