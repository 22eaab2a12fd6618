"""Verifying the books: everything that closed hours say, worked out once more from raw records and compared.

An hour is verified customer by customer: records, reversals, bills and re-ratings are read in step, so that
memory holds one customer's hour. A bill is verified with the hour in which it was sealed, even if it bills an
earlier one that was parked. Nothing in here is shared with the closing; the linter holds that.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from django.db import transaction

from invoices.books.archived import Records, Tables
from invoices.books.compare import (
    Bill,
    Findings,
    check_credit,
    check_purchase,
    compare,
    compare_draws,
    decimal,
    digest_of_bill,
    digest_of_credit,
    digest_of_parked,
    seal_over,
)
from invoices.books.constraints import find_missing_guards
from invoices.books.coverage import Before, Consumption, Covered, Draw, PackageList, cover
from invoices.books.expected import HOUR, Line, Order, PriceList, recompute
from invoices.books.published_seals import compare_published_seals
from invoices.books.read import (
    Overruns,
    Parked,
    Seal,
    by_customer,
    read_affected,
    read_all,
    read_before,
    read_bills,
    read_credits,
    read_drawn_before,
    read_draws,
    read_later,
    read_orders,
    read_overruns,
    read_packages,
    read_parked,
    read_prices,
    read_purchases,
    read_reversals,
    read_seals,
    read_usage,
)
from invoices.seals.seal_list import ListedSeal
from sensenova_billing.lib.database.statements import load_statement
from usage.archive.parquet import ArchiveError
from usage.models import UsageArchive

# In which customers' totals are kept.
CHINA = ZoneInfo("Asia/Shanghai")

Bills = list[tuple[Bill, list[Line]]]
Watch = Callable[[list[Seal]], Iterable[Seal]]


class Besides(Protocol):
    """Another check of each hour."""

    def __call__(self, *, hour: dt.datetime, found: Findings) -> None: ...


@dataclass
class Verified:
    """What a verification looked at, and what it found."""

    from_hour: dt.datetime | None
    until_hour: dt.datetime | None
    findings: Findings
    hours: int = 0
    records: int = 0
    bills: int = 0
    lines: int = 0
    archived_hours: int = 0  # the records of so many were read from archives
    seal: bytes | None = None  # of the last hour
    took: dt.timedelta = dt.timedelta(0)


class Part(NamedTuple):
    """What bills a customer's part of an hour: the hours of its seal and its own, and all that goes in."""

    customer: int
    place: tuple[dt.datetime, dt.datetime]
    consumption: Consumption
    orders: list[Order]
    affected: list[Line]
    draws: list[Draw]


class Books(NamedTuple):
    """What the verification of every hour needs."""

    prices: PriceList
    packages: PackageList
    customers: dict[int, str]
    horizon: dt.datetime
    verified: Verified
    records: Records

    def code(self, customer: int) -> str:
        """Name a customer."""
        return self.customers.get(customer, f"customer {customer}")


def verify_books(
    *,
    from_hour: dt.datetime | None = None,
    until_hour: dt.datetime | None = None,
    watch: Watch = iter,
    besides: Besides | None = None,
    published_seals: Sequence[ListedSeal] = (),
    pending: UsageArchive | None = None,
) -> Verified:
    """Verify every closed hour of the span, or of all time, and return what was found; nothing is changed.

    `published_seals` is a list that was stored outside the database: its seals must be those of these hours.
    The records of archived hours are read from their files; `pending` is an archive that is to be made.
    """
    began = time.monotonic_ns()
    seals = read_seals(from_hour=from_hour, until_hour=until_hour)
    verified = Verified(
        from_hour=seals[0].hour if seals else None,
        until_hour=seals[-1].hour + HOUR if seals else None,
        findings=Findings(),
    )
    find_missing_guards(verified.findings)
    _find_other_seals(verified.findings)
    _verify_purchases(verified.findings)
    _verify_statements(from_hour=from_hour, until_hour=until_hour, found=verified.findings)
    _verify_archives(from_hour=from_hour, until_hour=until_hour, found=verified.findings)
    compare_published_seals(
        published=published_seals,
        seals=seals,
        from_hour=from_hour,
        until_hour=until_hour,
        found=verified.findings,
    )
    _find_gaps(seals=seals, open_begin=from_hour is None, found=verified.findings)
    if seals:
        ((horizon,),) = read_all("SELECT max(hour) FROM usage_billinghour")
        customers = dict(read_all("SELECT id, code FROM accounts_customer"))
        books = Books(read_prices(), read_packages(), customers, horizon, verified, Records(pending))
        for seal in watch(seals):
            with transaction.atomic():
                _verify_hour(seal, books)
                if besides is not None:
                    besides(hour=seal.hour, found=verified.findings)
        _verify_totals(books)
        verified.archived_hours = books.records.hours_read
    verified.took = dt.timedelta(microseconds=(time.monotonic_ns() - began) // 1000)
    return verified


def _find_other_seals(found: Findings) -> None:
    """What an earlier verification read as the last seal must still be there: a new chain is no proof."""
    for hour, verified_at in read_all(_OTHER_SEALS):
        text = f"its seal is not the one that was verified at {verified_at:%Y-%m-%d %H:%M} UTC"
        found.add("chain", text, hour=hour)


def _verify_purchases(found: Findings) -> None:
    for purchase in read_purchases():
        for text in check_purchase(purchase):
            found.add("purchase", text)


def _verify_statements(
    *, from_hour: dt.datetime | None, until_hour: dt.datetime | None, found: Findings
) -> None:
    """Each statement of the span is the sum of its documents, and on the account as it is payable."""
    span = (from_hour, from_hour, until_hour, until_hour)
    for number, amount, due, payable, booked in read_all(_DIFFERING_STATEMENTS, *span):
        if amount != due:
            text = f"{number} says {decimal(amount)} RMB, its documents come to {decimal(due)} RMB"
        else:
            text = f"{number} is booked with {decimal(booked)} RMB, and {decimal(payable)} RMB are payable"
        found.add("statement", text)


def _verify_archives(
    *, from_hour: dt.datetime | None, until_hour: dt.datetime | None, found: Findings
) -> None:
    """Each archive of the span has the seal of its last hour, and its hours have no records in the table."""
    span = (from_hour, from_hour, until_hour, until_hour)
    for file, hour, has_its_seal, records in read_all(_DIFFERING_ARCHIVES, *span):
        if not has_its_seal:
            found.add("archive", f"{file} has another seal for the hour than the books", hour=hour)
        if records:
            found.add("archive", f"{records} records of its hours are beside {file}", hour=hour)


def _verify_totals(books: Books) -> None:
    """Compare customers' totals of the days that the span touches, and of their months, with the bills."""
    verified = books.verified
    if verified.from_hour is None or verified.until_hour is None:
        return
    span = [hour.astimezone(CHINA).date() for hour in (verified.from_hour, verified.until_hour - HOUR)]
    for period, begins_on, customer, kept, due in read_all(_DIFFERING_TOTALS, *span * 4):
        text = f"says {decimal(kept)} RMB, not {decimal(due)} RMB"
        verified.findings.add(
            "total", f"the total of the {period} from {begins_on} {text}", customer=books.code(customer)
        )


def _find_gaps(*, seals: list[Seal], open_begin: bool, found: Findings) -> None:
    """Each closed hour must follow the one before, and no usage may lie outside of them."""
    if not seals:
        return
    first = seals[0]
    if open_begin or first.previous is None:
        _find_usage_before(first.hour, found=found)
    if open_begin and first.previous is not None:
        found.add("gap", "is the first hour that is closed, but names one before", hour=first.hour)
    for before, seal in pairwise(seals):
        if before.hour != seal.hour - HOUR or seal.previous != before.hour:
            found.add(
                "gap", f"does not follow the hour {seal.hour - HOUR:%Y-%m-%d %H:%M} UTC", hour=seal.hour
            )
        missing = before.hour + HOUR
        while missing < seal.hour:
            _find_usage_of_no_hour(missing, found=found)
            missing += HOUR


def _find_usage_before(hour: dt.datetime, *, found: Findings) -> None:
    ((records,),) = read_all("SELECT count(*) FROM usage_usagerecord WHERE billing_hour < %s", hour)
    if records:
        found.add("unbilled", f"{records} records are to be billed before the first closed hour", hour=hour)


def _find_usage_of_no_hour(hour: dt.datetime, *, found: Findings) -> None:
    ((records,),) = read_all("SELECT count(*) FROM usage_usagerecord WHERE billing_hour = %s", hour)
    found.add("gap", f"is not closed, though later hours are; {records} records wait for it", hour=hour)


def _verify_hour(seal: Seal, books: Books) -> None:
    hour = seal.hour
    parked, later = read_parked(hour=hour), read_later(hour=hour, horizon=books.horizon)
    orders = read_orders(hour=hour)
    overruns = read_overruns(sealed_in=hour)
    tables = _tables(hour, books)
    total = _Total()
    waiting = dict(parked)
    for customer, (used, reversals, bills, affected, draws) in by_customer(
        *_read_consumption(tables, hour=hour, books=books),
        read_bills(sealed_in=hour),
        read_affected(orders=orders, place=(hour, hour)),
        read_draws(sealed_in=hour),
    ):
        consumption: Consumption = used or Consumption()
        consumption.reversals += reversals or ()
        books.verified.records += consumption.records
        own = [(bill, lines) for bill, lines in bills or () if bill.hour == hour]
        part = Part(customer, (hour, hour), consumption, orders, affected or [], draws or [])
        for bill, lines in bills or ():
            total.add(bill, lines, draws=part.draws, overruns=overruns)
            if bill.hour != hour:
                _verify_released(part, bill=bill, lines=lines, books=books)
        if tables is None:
            continue
        if customer in parked:
            _verify_parked(waiting.pop(customer), consumption=consumption, own=own, hour=hour, books=books)
        elif own or customer not in later:
            _verify_bills(part, bills=own, books=books)
    for left in waiting.values() if tables else ():
        _verify_parked(left, consumption=Consumption(), own=[], hour=hour, books=books)
    _verify_seal(seal, total=total, parked=parked, found=books.verified.findings)
    books.verified.hours += 1
    books.verified.bills += total.bills
    books.verified.lines += total.lines
    books.verified.seal = seal.sha256


def _tables(hour: dt.datetime, books: Books) -> Tables | None:
    """Return where the hour's records are; None if they cannot be read: then only documents are verified."""
    books.records.begin_hour()
    return _tables_of(hour, books)


def _tables_of(hour: dt.datetime, books: Books, *, customer: int | None = None) -> Tables | None:
    try:
        return books.records.of(hour=hour, customer=customer)
    except ArchiveError as error:
        books.verified.findings.add("archive", f"its records are not verified: {error}", hour=hour)
        return None


def _read_consumption(tables: Tables | None, *, hour: dt.datetime, books: Books) -> tuple[Any, Any]:
    if tables is None:
        return (), ()
    return (
        read_usage(tables=tables, hour=hour, prices=books.prices, packages=books.packages),
        read_reversals(tables=tables, hour=hour, prices=books.prices, found=books.verified.findings),
    )


class _Total:
    """What the bills of one seal come to."""

    def __init__(self) -> None:
        self.bills = self.lines = self.records = 0
        self.amount = Fraction(0)
        self.digests: dict[str, bytes] = {}

    def add(self, bill: Bill, lines: list[Line], *, draws: list[Draw], overruns: Overruns) -> None:
        self.bills += 1
        self.lines += len(lines)
        self.records += bill.records
        self.amount += Fraction(bill.amount)
        if lines:  # a bill without lines is in no seal; that it has none is a finding of its own
            own = [draw for draw in draws if draw.bill == bill.id]
            rows = overruns.get(bill.id, ())
            self.digests[bill.number] = digest_of_bill(bill, lines, draws=own, overruns=rows)


def _verify_bills(part: Part, *, bills: Bills, books: Books) -> None:
    """Compare what the customer's bill for an hour says with what it must say."""
    found, records = books.verified.findings, part.consumption.records
    where = {"hour": part.place[1], "customer": books.code(part.customer)}
    usage, due_draws = _cover(part, books)
    before = read_before(customer=part.customer, usage=usage, affected=part.affected, place=part.place)
    due, unbillable = recompute(
        customer=part.customer, usage=usage, orders=part.orders, affected=part.affected, before=before,
        prices=books.prices,
    )  # fmt: skip
    if not bills:
        if due or unbillable or records:
            found.add("unbilled", f"no bill, and not parked: {records} records, {len(due)} lines", **where)
        return
    (bill, lines), *others = bills
    where["bill"] = bill.number
    for other, more in others:
        found.add("billed twice", f"bill {other.number} is a second one for the hour", **where)
        lines = [*lines, *more]
    for what in unbillable:
        found.add("unbilled", what, **where)
    if bill.records != records:
        what = "billed twice" if bill.records > records else "unbilled"
        found.add(what, f"the bill is for {bill.records} records, there are {records}", **where)
    for what, text, line in compare(due=due, lines=lines):
        found.add(what, text, **where, line=line and line.id)
    own = {one.id for one, _ in bills}
    draws = [draw for draw in part.draws if draw.bill in own]
    for text in compare_draws(due=due_draws, draws=draws, packages=books.packages):
        found.add("draw", text, **where)
    _verify_sums(bills, found=found, where=where)


def _cover(part: Part, books: Books) -> Covered:
    customer, before = part.customer, Before({}, {})
    if customer in books.packages.of:
        reversals = part.consumption.reversals
        before = read_drawn_before(customer=customer, reversals=reversals, place=part.place)
    return cover(
        customer=customer,
        consumption=part.consumption,
        sealed_in=part.place[0],
        before=before,
        packages=books.packages,
        prices=books.prices,
    )


def _verify_sums(bills: Bills, *, found: Findings, where: dict[str, object]) -> None:
    for bill, lines in bills:
        amount = sum((Fraction(line.amount) for line in lines), Fraction(0))
        if Fraction(bill.amount) != amount:
            text = f"the bill says {decimal(bill.amount)} RMB, its lines come to {decimal(amount)} RMB"
            found.add("bill", text, **where)
        if not lines:
            found.add("bill", "has no lines", **where)
        if bill.number != f"{bill.hour:%Y%m%dT%HZ}-{bill.customer_code}":
            found.add("bill", "is not numbered by its hour and customer", **where)


def _verify_released(part: Part, *, bill: Bill, lines: list[Line], books: Books) -> None:
    """Verify the bill of an hour that was parked and released, by the rules of the time of its seal."""
    found, customer, place = books.verified.findings, part.customer, (bill.sealed_in, bill.hour)
    if not read_all(_RELEASED, customer, bill.hour, bill.sealed_in):
        found.add(
            "parking",
            "was billed with a later hour, but was not parked and released",
            hour=bill.hour,
            customer=books.code(customer),
            bill=bill.number,
        )
    tables = _tables_of(bill.hour, books, customer=customer)
    if tables is None:
        return
    orders = read_orders(hour=bill.hour)
    consumption = Consumption()
    for _, used in read_usage(
        tables=tables, hour=bill.hour, prices=books.prices, packages=books.packages, customer=customer
    ):
        consumption = used
    for _, reversals in read_reversals(
        tables=tables, hour=bill.hour, prices=books.prices, found=found, customer=customer
    ):
        consumption.reversals += reversals
    affected: list[Line] = []
    for _, some in read_affected(orders=orders, place=place, customer=customer):
        affected += some
    released = part._replace(place=place, consumption=consumption, orders=orders, affected=affected)
    _verify_bills(released, bills=[(bill, lines)], books=books)


def _verify_parked(
    parked: Parked, *, consumption: Consumption, own: Bills, hour: dt.datetime, books: Books
) -> None:
    where = {"hour": hour, "customer": books.code(parked.customer)}
    records = consumption.records
    for bill, _ in own:
        books.verified.findings.add("parking", "was parked and billed", **where, bill=bill.number)
    if parked.records != records:
        text = f"{parked.records} records were parked, there are {records}"
        books.verified.findings.add("parking", text, **where)


def _verify_seal(seal: Seal, *, total: _Total, parked: dict[int, Parked], found: Findings) -> None:
    if seal.sha256 is None:
        found.add("seal", "the hour has no seal", hour=seal.hour)
        return
    made = {"bills": total.bills, "lines": total.lines, "records": total.records, "parked": len(parked)}
    for name, number in made.items():
        if getattr(seal, name) != number:
            found.add(
                "seal", f"the seal says {getattr(seal, name)} {name}, there are {number}", hour=seal.hour
            )
    if Fraction(seal.amount) != total.amount:
        text = f"the seal says {decimal(seal.amount)} RMB, the bills come to {decimal(total.amount)} RMB"
        found.add("seal", text, hour=seal.hour)
    if seal.previous is not None and seal.before is None:
        found.add("chain", "the hour before has no seal", hour=seal.hour)
        return
    digests = {row.customer: digest_of_parked(*row) for row in parked.values()}
    issued = read_credits(sealed_in=seal.hour)
    for text in (text for one in issued for text in check_credit(one)):
        found.add("credit", text, hour=seal.hour)
    own = {one.number: digest_of_credit(one) for one in issued}
    before = seal.before or b""
    if seal.sha256 != seal_over(before=before, bills=total.digests, parked=digests, credit_digests=own):
        found.add(
            "chain", "the documents and the seal before do not give the seal of this hour", hour=seal.hour
        )


_OTHER_SEALS = load_statement("read_other_seals.sql", beside=__file__)
_DIFFERING_STATEMENTS = load_statement("differing_statements.sql", beside=__file__)
_DIFFERING_ARCHIVES = load_statement("differing_archives.sql", beside=__file__)
_DIFFERING_TOTALS = load_statement("differing_totals.sql", beside=__file__)
_RELEASED = """
SELECT FROM invoices_parkedhour AS parked JOIN invoices_release AS release ON release.parked_id = parked.id
 WHERE parked.customer_id = %s AND parked.hour_id = %s AND release.billing_hour <= %s
"""
