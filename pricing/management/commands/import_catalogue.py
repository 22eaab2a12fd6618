from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit.context import LONGEST_REASON
from pricing.changes.apply import WRITTEN, ChangesRefused, StalePreview
from pricing.changes.checks.steep import Unconfirmed
from pricing.files.formats import BadFile, Reading, read_rows
from pricing.files.imports import Preview, import_rows, preview_import, row_name
from sensenova_billing.lib import clock

BY = "import_catalogue"
MOVED = "Nothing was changed: the catalogue has changed since the preview. Look at it again."


class Command(BaseCommand):
    help = "Shows what a catalogue file would change; changes it with --apply (docs/catalogue-files.md)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV or XLSX.")
        parser.add_argument("--apply", action="store_true", help="Make the changes, all or none.")
        parser.add_argument("--confirm", action="store_true", help="Steep changes of prices are meant.")
        parser.add_argument("--reason", default="", help="Why; kept in the audit trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        reason = options["reason"] or f"Import of {file.name}"
        if len(reason) > LONGEST_REASON:
            raise CommandError(f"A reason has at most {LONGEST_REASON} characters.")
        reading, now = _read(file), clock.now()
        preview = preview_import(reading=reading, now=now)
        self._tell(preview)
        if preview.refusals:
            raise CommandError("Nothing was changed: a file is imported whole or not at all.")
        if not options["apply"] or not preview.is_applicable:
            self.stdout.write("Nothing was changed.")
            return
        try:
            proposal = import_rows(
                name=file.name,
                reading=reading,
                seen=preview.fingerprint,
                by=BY,
                reason=reason,
                now=now,
                confirmed=options["confirm"],
            )
        except Unconfirmed as error:
            raise CommandError(
                f"Nothing was changed. Is this meant: {error}? If so, give --confirm as well."
            ) from error
        except StalePreview as error:
            raise CommandError(MOVED) from error
        except ChangesRefused as refused:
            raise CommandError(f"Nothing was changed. {refused}") from refused
        self.stdout.write("Proposed: it waits for a second person." if proposal else "Imported.")

    def _tell(self, preview: Preview) -> None:
        for refusal in preview.refusals:
            self.stdout.write(
                f"{refusal.sheet}, line {refusal.line}: refused: {refusal.what}: {refusal.reason}"
            )
        for line, change in preview.changes:
            if change.state in WRITTEN:
                self.stdout.write(f"{change.row.sheet}, line {line}: {change.state}: {row_name(change)}")
        self.stdout.write(", ".join(f"{count:,} {state}" for state, count in preview.counts.items()))


def _read(file: Path) -> Reading:
    try:
        return read_rows(data=file.read_bytes(), name=file.name)
    except OSError as error:
        raise CommandError(f"{file} was not read: {error.strerror}.") from error
    except BadFile as error:
        raise CommandError(f"{error} Nothing was changed.") from error
