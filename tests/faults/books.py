"""The checker's other half: compares bills with stored records, hour by hour, by its own arithmetic."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import namedtuple_row

HOUR = dt.timedelta(hours=1)
MEASURES = ("input_tokens", "output_tokens", "input_characters")


class Group(NamedTuple):
    """The records of one customer and service that are billed in one hour and were used in one hour."""

    customer: int
    hour: dt.datetime
    usage_hour: dt.datetime
    service: int


@dataclass(frozen=True)
class Written:
    """What is written in the database; every row has the names of `_QUESTIONS`."""

    hours: Sequence[Any]
    records: Sequence[Any]
    bills: Sequence[Any]
    lines: Sequence[Any]
    seals: Sequence[Any]
    parked: Sequence[Any] = ()
    divided: Sequence[Any] = ()
    reversals: Sequence[Any] = ()


@dataclass(frozen=True)
class Books:
    """How much is billed, and what is wrong; the lists are empty where the books are right."""

    hours: int  # closed
    first: dt.datetime | None
    last: dt.datetime | None
    stored: int
    billed: int
    late: int
    parked: int
    waiting: int  # stored in an hour that is not closed yet
    unbilled: int  # stored in a closed hour, and in no line
    doubled: int  # in lines more often than stored
    gaps: list[dt.datetime]  # hours that were passed over
    slowest: dt.timedelta | None  # the longest that an hour waited for its closing after its end
    early: list[dt.datetime]  # hours whose closing was committed before they had ended
    quantities: list[str]  # of lines, other than of their records
    amounts: list[str]  # of lines or bills that do not come out
    seals: list[str]  # that are missing, or speak of something else

    def faults(self) -> dict[str, int]:
        """Return how many there are of each kind of fault that was found."""
        counts = {name: getattr(self, name) for name in ("waiting", "unbilled", "doubled")}
        counts |= {
            name: len(getattr(self, name)) for name in ("gaps", "early", "quantities", "amounts", "seals")
        }
        return {name: count for name, count in counts.items() if count}


def audit(written: Written, *, shown: Callable[[dt.datetime], dt.datetime] = lambda at: at) -> Books:
    """Return what is wrong with the bills of these records; `shown` is what the clock showed when."""
    hours = sorted(row.hour for row in written.hours)
    last = hours[-1] if hours else None
    parked = {(row.customer, row.hour) for row in written.parked}
    due = [row for row in written.records if last is not None and row.hour <= last]
    billable = [row for row in due if (row.customer, row.hour) not in parked]
    lines = [line for line in written.lines if not line.correction]
    records, consumed = _consumed(billable)
    counts, charged = _charged(lines)
    stored, groups = sum(row.count for row in written.records), records.keys() | counts.keys()
    divided = {
        Group(row.customer, row.hour, row.usage_hour, row.service): row.count for row in written.divided
    }
    bounds = {
        group: _bounds(counts.get(group, {}), records=records[group], divided=divided.get(group, 0))
        for group in groups
    }
    return Books(
        hours=len(hours),
        first=hours[0] if hours else None,
        last=last,
        stored=stored,
        billed=sum(most for _, most in bounds.values()),
        late=sum(row.count for row in written.records if row.usage_hour != row.hour),
        parked=sum(row.count for row in due) - records.total(),
        waiting=stored - sum(row.count for row in due),
        unbilled=sum(max(0, records[group] - least) for group, (least, _) in bounds.items()),
        doubled=sum(max(0, most - records[group]) for group, (_, most) in bounds.items()),
        gaps=_gaps(written.hours),
        slowest=max(
            (shown(row.committed) - row.hour - HOUR for row in written.hours if row.committed), default=None
        ),
        early=[row.hour for row in written.hours if row.committed and shown(row.committed) < row.hour + HOUR],
        quantities=_wrong_quantities(consumed, charged),
        amounts=[*_wrong_lines(written.lines), *_wrong_bills(written, bounds)],
        seals=_wrong_seals(written),
    )


def _consumed(rows: Iterable[Any]) -> tuple[Counter[Group], Counter[tuple[Group, str]]]:
    records: Counter[Group] = Counter()
    quantities: Counter[tuple[Group, str]] = Counter()
    for row in rows:
        group = Group(row.customer, row.hour, row.usage_hour, row.service)
        records[group] += row.count
        for measure in MEASURES:
            quantities[group, measure] += int(getattr(row, measure) or 0)
    return records, quantities


def _charged(lines: Iterable[Any]) -> tuple[dict[Group, Counter[str]], Counter[tuple[Group, str]]]:
    counts: defaultdict[Group, Counter[str]] = defaultdict(Counter)
    quantities: Counter[tuple[Group, str]] = Counter()
    for line in lines:
        group = Group(line.customer, line.hour, line.usage_hour, line.service)
        counts[group][line.measure] += line.records
        quantities[group, line.measure] += int(line.quantity)
    return dict(counts), quantities


def _bounds(counts: "dict[str, int] | Counter[str]", *, records: int, divided: int) -> tuple[int, int]:
    """Return of how many records a group's lines speak: of the measure with the fewest, and the most.

    A call that is divided between packages is counted on a line for each part of a measure, and on none of a
    measure of which it used nothing.
    """
    least, most = min(counts.values(), default=0), max(counts.values(), default=0)
    return max(least, min(records, least + divided)), min(most, max(records, most - divided))


def _wrong_quantities(consumed: Counter[tuple[Group, str]], charged: Counter[tuple[Group, str]]) -> list[str]:
    """Return where the quantities of the lines are not those of the records."""
    return [
        f"customer {group.customer}, hour {group.hour:%Y-%m-%dT%H}, used {group.usage_hour:%Y-%m-%dT%H}, "
        f"service {group.service}: {consumed[group, measure]} {measure} stored, "
        f"{charged[group, measure]} billed"
        for group, measure in sorted(consumed.keys() | charged.keys())
        if consumed[group, measure] != charged[group, measure]
    ]


def _gaps(rows: Iterable[Any]) -> list[dt.datetime]:
    """Return the hours that are not closed though a later one is, and those that deny the one before."""
    previous = {row.hour: row.previous for row in rows}
    hours = sorted(previous)
    missing = []
    for before, hour in zip(hours, hours[1:], strict=False):
        missing += [before + n * HOUR for n in range(1, (hour - before) // HOUR)]
    denied = [hour for hour in hours if previous[hour] != (None if hour == hours[0] else hour - HOUR)]
    return sorted({*missing, *denied})


def _wrong_lines(lines: Iterable[Any]) -> list[str]:
    return [
        f"line {line.id}: {line.quantity} x {line.unit_price} / {line.unit_size} is not {line.amount}"
        for line in lines
        if Fraction(line.quantity) * Fraction(line.unit_price) / line.unit_size != Fraction(line.amount)
    ]


def _wrong_bills(written: Written, bounds: dict[Group, tuple[int, int]]) -> list[str]:
    """Return the bills that are not the sum of their lines, or name another number of records."""
    owed: Counter[int] = Counter()
    for line in written.lines:
        owed[line.bill] += Fraction(line.amount)  # type: ignore[assignment]
    used: Counter[tuple[int, dt.datetime]] = Counter()
    for group, (_, most) in bounds.items():
        used[group.customer, group.hour] += most
    for row in written.reversals:
        used[row.customer, row.hour] += row.count
    return [
        f"bill {bill.number}: {bill.amount} for {bill.records} records"
        for bill in written.bills
        if Fraction(bill.amount) != owed[bill.id] or bill.records != used[bill.customer, bill.hour]
    ]


def _wrong_seals(written: Written) -> list[str]:
    """Return the closed hours whose seal is not there, or does not have the totals of the hour's bills."""
    bills: Counter[dt.datetime] = Counter(bill.hour for bill in written.bills)
    lines: Counter[dt.datetime] = Counter(line.hour for line in written.lines)
    records: Counter[dt.datetime] = Counter()
    amounts: dict[dt.datetime, Fraction] = defaultdict(Fraction)
    for bill in written.bills:
        records[bill.hour] += bill.records
        amounts[bill.hour] += Fraction(bill.amount)
    sealed = {
        seal.hour: (seal.bills, seal.lines, seal.records, Fraction(seal.amount)) for seal in written.seals
    }
    return [
        f"{row.hour:%Y-%m-%dT%H}"
        for row in written.hours
        if sealed.get(row.hour) != (bills[row.hour], lines[row.hour], records[row.hour], amounts[row.hour])
    ]


def read_books(url: str) -> Written:
    """Return what is written in the database, all at one instant."""
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return Written(
            **{
                name: connection.execute(statement).fetchall()
                for name, statement in _questions(connection).items()
            }
        )


def _questions(connection: "psycopg.Connection[Any]") -> dict[str, str]:
    """Return what to ask; a database may know corrections and parked customer-hours, or not yet."""
    found = connection.execute(
        "SELECT to_regclass('invoices_parkedhour') IS NOT NULL, current_setting('track_commit_timestamp'),"
        "       EXISTS (SELECT FROM information_schema.columns"
        "                WHERE (table_name, column_name) = ('invoices_chargeline', 'correction'))"
    ).fetchone()
    assert found is not None
    parking, knows_commits, corrections = found
    committed = "pg_xact_commit_timestamp(xmin)" if knows_commits == "on" else "NULL::timestamptz"
    correction = "line.correction" if corrections else "''"
    questions = _QUESTIONS | {
        "hours": _HOURS.replace("COMMITTED", committed),
        "lines": _LINES.replace("CORRECTION", correction),
    }
    return questions | ({"parked": _PARKED} if parking else {})


_QUESTIONS = {
    "records": """
        SELECT customer_id AS customer, billing_hour AS hour, service_id AS service,
               date_trunc('hour', occurred_at, 'UTC') AS usage_hour, count(*) AS count,
               sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
               sum(input_characters) AS input_characters
          FROM usage_usagerecord WHERE reverses IS NULL GROUP BY 1, 2, 3, 4""",
    # They count on their bill; their lines are corrections.
    "reversals": """
        SELECT customer_id AS customer, billing_hour AS hour, count(*) AS count
          FROM usage_usagerecord WHERE reverses IS NOT NULL GROUP BY 1, 2""",
    "bills": """
        SELECT id, number, customer_id AS customer, hour_id AS hour, records, amount
          FROM invoices_hourlybill""",
    # How often a package ran out within calls of a group.
    "divided": """
        SELECT bill.customer_id AS customer, bill.hour_id AS hour, record.service_id AS service,
               date_trunc('hour', record.occurred_at, 'UTC') AS usage_hour, count(*) AS count
          FROM invoices_packagedraw AS draw
          JOIN invoices_hourlybill AS bill ON bill.id = draw.bill_id
          JOIN usage_usagerecord AS record
            ON record.customer_id = bill.customer_id AND record.event_id = draw.ran_out_event_id
         GROUP BY 1, 2, 3, 4""",
    "seals": "SELECT hour_id AS hour, bills, lines, records, amount FROM invoices_hourseal",
}
_HOURS = "SELECT hour, previous_id AS previous, COMMITTED AS committed FROM usage_billinghour"
_LINES = """
SELECT line.id, bill_id AS bill, customer_id AS customer, hour_id AS hour, usage_hour, service_id AS service,
       measure, unit_price, unit_size, line.records, quantity, line.amount, CORRECTION AS correction
  FROM invoices_chargeline AS line JOIN invoices_hourlybill AS bill ON bill.id = bill_id"""
# A customer-hour that waits for an admin: it has no bill.
_PARKED = """
SELECT customer_id AS customer, hour_id AS hour FROM invoices_parkedhour AS parked
 WHERE NOT EXISTS (SELECT FROM invoices_hourlybill AS bill
                    WHERE bill.customer_id = parked.customer_id AND bill.hour_id = parked.hour_id)"""
