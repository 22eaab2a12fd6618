from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from accounts.models import Customer
from invoices.reconciliation.compare import Difference, Reconciled, quantities_text, reconcile
from invoices.reconciliation.differences_csv import differences_file
from invoices.reconciliation.usage_file import UnreadableFile, UsageFile
from pricing.rules.amounts import plain
from sensenova_billing.lib.command_arguments import instant_argument

FOUND, BAD_ARGUMENTS = 1, 2
SHOWN = 20
_instant = partial(instant_argument, example="2026-11-01T00:00+08:00")


class Command(BaseCommand):
    help = "Compares a sender's or provider's file of usage with a customer's records. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV with event_id and measures; see docs/operations.md.")
        parser.add_argument("--customer", required=True, help="The customer's code.")
        parser.add_argument(
            "--from", type=_instant, required=True, help="The first instant, e.g. 2026-11-01T00:00+08:00."
        )
        parser.add_argument("--to", type=_instant, required=True, help="The first instant after.")
        parser.add_argument("--out", type=Path, help="Write every difference into this CSV file.")

    def handle(self, *args: Any, **options: Any) -> None:
        span = {"begin": options["from"], "end": options["to"]}
        if span["begin"] >= span["end"]:
            raise CommandError("--to must be after --from.", returncode=BAD_ARGUMENTS)
        customer = Customer.objects.filter(code=options["customer"]).first()
        if customer is None:
            raise CommandError("No customer has this code.", returncode=BAD_ARGUMENTS)
        first: list[Difference] = []
        try:
            found = _reconciled(options["file"], options["out"], first, customer=customer, **span)
        except (OSError, UnreadableFile) as error:
            raise CommandError(str(error), returncode=BAD_ARGUMENTS) from error
        self._say(found, first)
        if count := sum(found.counts.values()):
            raise CommandError(f"{count:,} differences.", returncode=FOUND)

    def _say(self, found: Reconciled, first: list[Difference]) -> None:
        for one in first:
            amount = "amount not known" if one.amount is None else f"{plain(one.amount)} RMB"
            sides = (
                f"theirs {quantities_text(one.theirs) or 'none'}, ours {quantities_text(one.ours) or 'none'}"
            )
            self.stdout.write(f"{one.kind}: {one.event_id}, {one.service or 'no service'}: {sides}; {amount}")
        if (more := sum(found.counts.values()) - len(first)) > 0:
            self.stdout.write(f"... and {more:,} more.")
        self.stdout.write(f"{found.lines:,} lines, {found.agreeing:,} agree.")
        for kind, count in found.counts.items():
            self.stdout.write(f"{kind}: {count:,}, {plain(found.amounts[kind])} RMB")
        if found.without_amount:
            self.stdout.write(
                f"Of {found.without_amount:,} the amount is not known: service and time are not in the file."
            )


def _reconciled(path: Path, out: Path | None, first: list[Difference], **given: Any) -> Reconciled:
    with path.open(newline="", encoding="utf-8-sig") as lines, tqdm(unit=" lines", disable=None) as bar:
        file = UsageFile(lines)
        with ExitStack() as opened:
            write: Callable[[Difference], None] | None = None
            if out is not None:
                to = opened.enter_context(out.open("wb"))
                write = opened.enter_context(differences_file(to, file.measures))

            def note(one: Difference) -> None:
                if write is not None:
                    write(one)
                if len(first) < SHOWN:
                    first.append(one)

            return reconcile(file=file, **given, on_difference=note, on_line=bar.update)
