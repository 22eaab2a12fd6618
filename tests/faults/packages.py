"""The checker's part for packages: purchases against the journal of orders, draws and coverage by arithmetic.

It shares no code with the product: what was used is the sum of the records, what was drawn the sum of covered
quantities times weights, what was given back that of reversed ones, and a package that had something left
leaves nothing to be charged.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tests.faults.after_sale import wrong_refunds, wrong_renewals, wrong_reversals

HOUR = dt.timedelta(hours=1)
MEASURES = ("input_tokens", "output_tokens", "input_characters")
TOKENS = ("input_tokens", "output_tokens")
TPM = "tpm_package"
FREE_TRIAL = "free_trial"  # each is of all items of a service here


@dataclass(frozen=True)
class Sold:
    """What is written of packages; every row has the names of `_QUESTIONS`."""

    purchases: Sequence[Any] = ()
    periods: Sequence[Any] = ()
    weights: Sequence[Any] = ()
    draws: Sequence[Any] = ()
    lines: Sequence[Any] = ()
    used: Sequence[Any] = ()
    closings: Sequence[Any] = ()
    renewals: Sequence[Any] = ()
    refunds: Sequence[Any] = ()
    reversals: Sequence[Any] = ()


@dataclass(frozen=True)
class PackageFindings:
    """How much was bought and covered, and what is wrong; the lists are empty where all is right."""

    bought: int
    covered: int  # tokens
    charged: int
    ran_out: int  # packages
    switched: int  # changes from one prepaid method to the other
    renewed: int
    credited: int
    reversed: int
    returned: int  # tokens
    orders: list[str] = field(default_factory=list)
    draws: list[str] = field(default_factory=list)
    coverage: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)  # bought for an hour that had been closed without
    renewals: list[str] = field(default_factory=list)
    refunds: list[str] = field(default_factory=list)
    reversals: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, int]:
        """Return how many there are of each kind of fault that was found."""
        return {kind: len(getattr(self, kind)) for kind in KINDS if getattr(self, kind)}


KINDS = ("orders", "draws", "coverage", "methods", "halves", "renewals", "refunds", "reversals")


def check_packages(
    sold: Sold, *, journal: Sequence[dict[str, Any]] = (), usage_journal: Sequence[dict[str, Any]] = ()
) -> PackageFindings:
    """Return what is wrong with these purchases and what hours drew from them."""
    renewing = {"renewals": sold.renewals, "draws": sold.draws, "refunds": sold.refunds}
    after_sale: dict[str, Any] = {
        "purchases": sold.purchases,
        "periods": sold.periods,
        "closings": sold.closings,
    }
    renewals = {row.renewed_by for row in sold.renewals}
    ordered = [row for row in sold.purchases if row.package not in renewals]
    covered = sum(int(line.quantity) for line in sold.lines if line.package and line.measure in TOKENS)
    charged = sum(int(line.quantity) for line in sold.lines if not line.package and line.measure in TOKENS)
    return PackageFindings(
        bought=len(sold.purchases),
        covered=covered,
        charged=charged,
        ran_out=len({draw.package for draw in sold.draws if draw.ran_out_at or not draw.left}),
        switched=sum(one.method != other.method for one, other in _in_turn(sold.periods)),
        renewed=sum(row.renewed_by is not None for row in sold.renewals),
        credited=sum(row.sealed_in is not None for row in sold.refunds),
        reversed=len(sold.reversals),
        returned=int(sum(draw.tokens for draw in sold.draws if draw.is_return)),
        orders=[*_wrong_orders(ordered, journal), *_wrong_amounts(sold.purchases)],
        draws=[*_broken_chains(sold), *_wrong_draws(sold)],
        coverage=[*_wrong_totals(sold), *_not_covering(sold), *_charged_while_left(sold)],
        methods=[*_two_methods(sold.periods)],
        halves=[*_halves(sold)],
        renewals=[*wrong_renewals(**renewing, **after_sale)],
        refunds=[*wrong_refunds(refunds=sold.refunds, draws=sold.draws, journal=journal, **after_sale)],
        reversals=[*wrong_reversals(reversals=sold.reversals, journal=usage_journal)],
    )


def _wrong_orders(purchases: Sequence[Any], journal: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield orders that are not one purchase, what was bought without an order, and false numbers."""
    ordered: dict[str, dict[str, Any]] = {}
    answers: defaultdict[str, set[str]] = defaultdict(set)
    for entry in journal:
        if "ordered" in entry:
            ordered[entry["ordered"]] = entry
        elif "bought" in entry:
            answers[entry["bought"]].add(entry["number"])
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for row in purchases:
        found[str(row.order_id)].append(row)
    for order_id in sorted(ordered.keys() | found.keys()):
        order, rows = ordered.get(order_id), found[order_id]
        numbers = {row.number for row in rows}
        if order is None:
            yield f"{order_id}: bought and never ordered"
        elif len(rows) > 1 or answers[order_id] - numbers:
            yield f"{order_id}: answered with {sorted(answers[order_id])}, stored as {sorted(numbers)}"
        elif rows and any(order[name] != getattr(rows[0], name) for name in ("customer", "product", "units")):
            yield f"{order_id}: another purchase than was ordered"


def _wrong_amounts(purchases: Sequence[Any]) -> Iterator[str]:
    for row in purchases:
        if row.amount != row.price * row.quantity:
            yield f"{row.number}: {row.amount} is not {row.quantity} x {row.price}"


def _broken_chains(sold: Sold) -> Iterator[str]:
    left = {row.package: Fraction(row.tokens) for row in sold.purchases if row.tokens is not None}
    for draw in sorted(sold.draws, key=lambda draw: draw.id):
        sign = 1 if draw.is_return else -1
        after = Fraction(draw.left_before) + sign * Fraction(draw.tokens)
        if Fraction(draw.left_before) != left.get(draw.package) or after != Fraction(draw.left) or after < 0:
            yield f"draw {draw.id} of package {draw.package}: {draw.left_before} to {draw.left}"
        left[draw.package] = Fraction(draw.left)


def _wrong_draws(sold: Sold) -> Iterator[str]:
    """Yield the draws that are not what the covered lines of their bill take, or give back."""
    weights = {(row.package, row.service, row.measure): Fraction(row.weight) for row in sold.weights}
    tokens_packages = {row.package: row for row in sold.purchases if row.tokens is not None}
    over = _hours_after(sold)
    taken: defaultdict[tuple[int, int, bool], Fraction] = defaultdict(Fraction)
    for line in sold.lines:
        package = tokens_packages.get(line.package)
        is_return = bool(line.correction)
        if package is None or line.measure not in TOKENS:
            continue
        if is_return and not package.begins_at <= line.hour < over[line.package]:
            continue  # what is over takes nothing back
        weight = weights.get((line.package, line.service, line.measure), Fraction(1))
        quantity = -line.quantity if is_return else line.quantity
        taken[line.bill, line.package, is_return] += Fraction(quantity) * weight
    drawn: defaultdict[tuple[int, int, bool], Fraction] = defaultdict(Fraction)
    for draw in sold.draws:
        drawn[draw.bill, draw.package, draw.is_return] += Fraction(draw.tokens)
    for key in sorted(taken.keys() | drawn.keys()):
        bill, number, is_return = key
        if taken[key] != drawn[key]:
            there = ("reversed", "given back") if is_return else ("covered", "drawn")
            counts = f"{taken[key]} {there[0]}, {drawn[key]} {there[1]}"
            yield f"bill {bill}, package {number}: {counts}"


def _hours_after(sold: Sold) -> dict[int, Any]:
    """Return of each package the first hour at which it is over: expired, used up or credited."""
    over = {row.package: row.expires_at for row in sold.purchases}
    for draw in sold.draws:
        if not draw.is_return and (draw.ran_out_at or not draw.left):
            over[draw.package] = min(over[draw.package], draw.hour + HOUR)
    for row in sold.refunds:
        if row.sealed_in is not None:
            over[row.package] = min(over[row.package], row.sealed_in + HOUR)
    return over


def _wrong_totals(sold: Sold) -> Iterator[str]:
    """Yield where what was used is not what is covered and charged together."""
    used: Counter[tuple[int, int, str]] = Counter()
    billed: Counter[tuple[int, int, str]] = Counter()
    for row in sold.used:
        for measure in MEASURES:
            used[row.customer, row.service, measure] += int(getattr(row, measure) or 0)
    for line in sold.lines:
        billed[line.customer, line.service, line.measure] += int(line.quantity)
    for key in sorted(used.keys() | billed.keys()):
        if used[key] != billed[key]:
            yield f"{key}: {used[key]} used, {billed[key]} covered and charged"


def _not_covering(sold: Sold) -> Iterator[str]:
    """Yield the lines that name a package which did not cover their usage, or cost something."""
    periods = {(row.package, row.customer, row.service): row for row in sold.periods}
    for line in sold.lines:
        if line.package is None:
            continue
        period = periods.get((line.package, line.customer, line.service))
        if (
            period is None
            or not period.begins_at <= line.usage_hour < period.ends_at
            or (line.kind == FREE_TRIAL and period.method != TPM)
            or line.amount
        ):
            hour = f"{line.usage_hour:%Y-%m-%dT%H}"
            yield f"line {line.id} of {hour}: package {line.package}, {line.amount} RMB"


def _charged_while_left(sold: Sold) -> Iterator[str]:
    """Yield the lines that charge tokens although a package for them was in force and had something left."""
    periods: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in sold.periods:
        periods[row.customer, row.service].append(row)
    credited = {row.package: row.sealed_in for row in sold.refunds if row.sealed_in is not None}
    draws: defaultdict[int, list[Any]] = defaultdict(list)
    for draw in sorted(sold.draws, key=lambda draw: draw.id):
        draws[draw.package].append(draw)
    for line in sold.lines:
        if line.package or line.measure not in TOKENS or not line.quantity or line.correction:
            continue
        for period in periods[line.customer, line.service]:
            if not period.begins_at <= line.usage_hour < period.ends_at:
                continue
            if period.method != TPM and line.kind == FREE_TRIAL:
                continue
            if period.method != TPM and credited.get(period.package, line.hour) < line.hour:
                continue
            until = [draw for draw in draws[period.package] if draw.hour <= line.hour]
            if period.method == TPM or not until or (until[-1].left and not until[-1].ran_out_at):
                yield (
                    f"line {line.id}: {line.quantity} {line.measure} of {line.usage_hour:%Y-%m-%dT%H}, "
                    f"package {period.package} had something left"
                )


def _in_turn(periods: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the periods of each customer and service, each with the one that begins next."""
    for rows in _by_service(periods):
        yield from pairwise(rows)


def _by_service(periods: Sequence[Any]) -> list[list[Any]]:
    """Return the periods of each customer and service in turn; what never began has none."""
    by_service: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for row in sorted(periods, key=lambda row: (row.begins_at, row.package)):
        if row.begins_at < row.ends_at:
            by_service[row.customer, row.service].append(row)
    return [*by_service.values()]


def _two_methods(periods: Sequence[Any]) -> Iterator[str]:
    for rows in _by_service(periods):
        for place, one in enumerate(rows):
            for other in rows[place + 1 :]:
                if other.begins_at < one.ends_at and other.method != one.method:
                    yield f"packages {one.package} and {other.package} for service {one.service}"


def _halves(sold: Sold) -> Iterator[str]:
    """Yield the packages whose purchase was committed after an hour that they cover was closed."""
    for row in sold.purchases:
        for closing in sold.closings:
            if row.begins_at <= closing.hour and closing.committed < row.committed:
                yield f"{row.number}, from {row.begins_at:%Y-%m-%dT%H}: that hour was closed before"
                break


def read_sold(url: str) -> Sold:
    """Return what is written in the database, all at one instant."""
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return Sold(
            **{name: connection.execute(question).fetchall() for name, question in _QUESTIONS.items()}
        )


_QUESTIONS = {
    "purchases": """
        SELECT purchase.package_id AS package, purchase.order_id, package.number,
               purchase.customer_code AS customer, package.product_name AS product,
               package.units, package.tokens, package.begins_at, package.expires_at,
               purchase.price, purchase.quantity, purchase.amount,
               pg_xact_commit_timestamp(purchase.xmin) AS committed
          FROM invoices_packagepurchase AS purchase
          JOIN pricing_quotapackage AS package ON package.id = purchase.package_id""",
    "periods": """
        SELECT package_id AS package, customer_id AS customer, service_id AS service, method, begins_at,
               ends_at
          FROM pricing_methodperiod""",
    "weights": """
        SELECT package_id AS package, service_id AS service, measure, weight
          FROM pricing_packageweight JOIN pricing_billingitem AS item ON item.id = billing_item_id""",
    "draws": """
        SELECT draw.id, package_id AS package, bill_id AS bill, hour_id AS hour, is_return, tokens,
               left_before, "left", ran_out_at
          FROM invoices_packagedraw AS draw JOIN invoices_hourlybill AS bill ON bill.id = bill_id""",
    "lines": """
        SELECT line.id, bill_id AS bill, customer_id AS customer, hour_id AS hour, usage_hour,
               service_id AS service, measure, price_kind AS kind, quantity, line.amount,
               package_id AS package, correction
          FROM invoices_chargeline AS line JOIN invoices_hourlybill AS bill ON bill.id = bill_id""",
    "renewals": """
        SELECT package_id AS package, is_on, renewed_by_id AS renewed_by, refused_at IS NOT NULL AS refused
          FROM invoices_packagerenewal""",
    "refunds": """
        SELECT refund.package_id AS package, billing_hour AS hour, sealed_in_id AS sealed_in, paid, quantity,
               credit."left", amount, credited, credit.ends_at
          FROM invoices_packagerefund AS refund
          LEFT JOIN invoices_packagecredit AS credit ON credit.package_id = refund.package_id""",
    "reversals": """
        SELECT customer.code AS customer, reverses AS event_id, count(*) AS count
          FROM usage_usagerecord JOIN accounts_customer AS customer ON customer.id = customer_id
         WHERE reverses IS NOT NULL GROUP BY 1, 2""",
    # Of billed hours only: parked ones wait, and open ones come later.
    "used": """
        SELECT record.customer_id AS customer, service_id AS service, sum(input_tokens) AS input_tokens,
               sum(output_tokens) AS output_tokens, sum(input_characters) AS input_characters
          FROM usage_usagerecord AS record
          JOIN invoices_hourlybill AS bill
            ON bill.customer_id = record.customer_id AND bill.hour_id = record.billing_hour
         GROUP BY 1, 2""",
    "closings": """
        SELECT hour, pg_xact_commit_timestamp(xmin) AS committed FROM usage_billinghour ORDER BY hour""",
}
