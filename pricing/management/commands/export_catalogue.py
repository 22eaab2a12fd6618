from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pricing.changes.stored import all_rows
from pricing.files.formats import csv_file, xlsx_file

WRITERS = {".csv": csv_file, ".xlsx": xlsx_file}


class Command(BaseCommand):
    help = "Writes the whole catalogue to a file, .csv or .xlsx (docs/catalogue-files.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="Its ending says which: .csv or .xlsx.")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        write = WRITERS.get(file.suffix.lower())
        if write is None:
            raise CommandError("The file's name ends with .csv or .xlsx.")
        rows = all_rows()
        try:
            file.write_bytes(write(rows))
        except OSError as error:
            raise CommandError(f"{file} was not written: {error.strerror}.") from error
        self.stdout.write(f"{len(rows):,} rows written.")
