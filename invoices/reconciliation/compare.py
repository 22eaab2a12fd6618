"""Comparing a file of usage with what was recorded: what is missing here, missing there, or differs.

The file is copied into a temporary table, so memory holds neither side, and compared in one statement.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils.translation import gettext_noop

from accounts.models import Customer
from invoices.rating.usage_sql import MEASURED, NET_QUANTITY
from invoices.reconciliation.usage_file import UnreadableFile, UsageFile
from pricing.catalogue.service_names import service_by_name_sql
from pricing.rules.measures import Measure
from pricing.rules.precedence_sql import price_in_force_sql
from sensenova_billing.lib.database.statements import load_statement

MISSING_HERE, MISSING_THERE = gettext_noop("missing here"), gettext_noop("missing there")
KINDS = (MISSING_HERE, MISSING_THERE, gettext_noop("different"), gettext_noop("reversed here"))
_TABLE = "reconciled_usage"
_BATCH = 2000
_ARCHIVED = load_statement("find_archive.sql", beside=__file__, table=_TABLE)
_TWICE = f"SELECT event_id, max(line) FROM {_TABLE} GROUP BY event_id HAVING count(*) > 1 LIMIT 1"  # noqa: S608


class Difference(NamedTuple):
    """A call on which the sides differ; `amount` is theirs less ours in RMB, None where it is not known."""

    kind: str
    event_id: str
    line: int | None  # of the file
    service: str | None
    occurred_at: dt.datetime | None
    theirs: dict[str, int] | None
    ours: dict[str, int] | None
    amount: Decimal | None


def quantities_text(side: dict[str, int] | None) -> str:
    """Return e.g. `1,000 input_tokens + 500 output_tokens`; nothing for a side that lacks the call."""
    return " + ".join(f"{number:,} {measure}" for measure, number in (side or {}).items())


@dataclass
class Reconciled:
    """How many calls were compared, and the differences of each kind with their amounts."""

    lines: int
    agreeing: int
    counts: dict[str, int]
    amounts: dict[str, Decimal]
    without_amount: int


@transaction.atomic
def reconcile(
    *,
    file: UsageFile,
    customer: Customer,
    begin: dt.datetime,
    end: dt.datetime,
    on_difference: Callable[[Difference], None],
    on_line: Callable[[], object] = lambda: None,
) -> Reconciled:
    """Compare the file with the customer's records of the half-open span; nothing is stored.

    Calls of the file are looked for whenever they occurred; calls of the span that the file lacks are missing
    there. Raises UnreadableFile, also where any of it is archived.
    """
    lines = _copy(file, on_line)
    _require_all_records(customer=customer, begin=begin, end=end)
    found = Reconciled(lines, lines, dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, Decimal(0)), 0)
    for difference in _differences(file.measures, customer=customer, begin=begin, end=end):
        found.counts[difference.kind] += 1
        if difference.amount is None:
            found.without_amount += 1
        else:
            found.amounts[difference.kind] += difference.amount
        found.agreeing -= difference.kind != MISSING_THERE
        on_difference(difference)
    return found


def _copy(file: UsageFile, on_line: Callable[[], object]) -> int:
    columns = ["line", "event_id", "service", "occurred_at", *file.measures]
    quantities = "".join(f", {measure} bigint NOT NULL DEFAULT 0" for measure in Measure)
    lines = 0
    with connection.cursor() as cursor:
        cursor.execute(
            f'CREATE TEMPORARY TABLE {_TABLE} (line bigint, event_id text COLLATE "C", service text, '
            f"occurred_at timestamptz{quantities}) ON COMMIT DROP"
        )
        with cursor.copy(f"COPY {_TABLE} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in file.rows():
                copy.write_row(row)
                lines += 1
                on_line()
        cursor.execute(f"CREATE INDEX ON {_TABLE} (event_id); ANALYZE {_TABLE}")
        cursor.execute(_TWICE)
        if twice := cursor.fetchone():
            words = gettext_noop("Line %(line)s: the event id %(id)r stands there twice.")
            raise UnreadableFile(words, line=twice[1], id=twice[0])
    return lines


def _require_all_records(*, customer: Customer, begin: dt.datetime, end: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ARCHIVED, {"customer": customer.pk, "begin": begin, "end": end})
        if found := cursor.fetchone():
            words = gettext_noop(
                "Usage records that this needs are archived in %(file)s: have them restored first."
            )
            raise UnreadableFile(words, file=found[0])


def _differences(
    measures: list[Measure], *, customer: Customer, begin: dt.datetime, end: dt.datetime
) -> Iterator[Difference]:
    statement = load_statement(
        "compare.sql",
        beside=__file__,
        table=_TABLE,
        theirs=", ".join(f"theirs.{one} AS their_{one}" for one in Measure),
        ours=", ".join(f"{_ours(one, measures)} AS our_{one}" for one in Measure),
        differs=" OR ".join(f"theirs.{one} <> coalesce(ours.{one}, 0)" for one in measures),
        quantities=", ".join(f"{side}_{one}" for side in ("their", "our") for one in Measure),
        nothing=", ".join(f"NULL::bigint AS their_{one}" for one in Measure),
        deltas=", ".join(
            f"coalesce(their_{one}, 0) - CASE WHEN is_reversed OR is_free THEN 0 ELSE our_{one} END AS {one}"
            for one in Measure
        ),
        service_by_name=service_by_name_sql(called="here.service"),
        measured=MEASURED,
        net_quantity=NET_QUANTITY,
        price_in_force=price_in_force_sql(
            item="item.id", customer="used.customer_id", instant="used.occurred_at"
        ),
        shown=", ".join(f"their_{one}, our_{one}" for one in measures),
    )
    values: dict[str, Any] = {"customer": customer.pk, "begin": begin, "end": end}
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, values)
        while rows := cursor.fetchmany(_BATCH):
            for row in rows:
                yield _difference(row, measures)


def _ours(measure: Measure, measures: list[Measure]) -> str:
    """Return our quantity in SQL; what the file does not tell is taken to agree."""
    return f"coalesce(ours.{measure}, 0)" if measure in measures else "0"


def _difference(row: tuple[Any, ...], measures: list[Measure]) -> Difference:
    kind, event_id, line, service, occurred_at, amount, *quantities = row
    theirs = dict(zip(measures, quantities[::2], strict=True)) if line is not None else None
    ours = dict(zip(measures, quantities[1::2], strict=True)) if kind != MISSING_HERE else None
    return Difference(kind, event_id, line, service, occurred_at, theirs, ours, amount)
