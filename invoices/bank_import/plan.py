"""What an import would book of each row, and why not of the others."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from django.utils.translation import gettext, gettext_noop

from accounts.models import Customer
from invoices.account.transactions import MOST, amount_of
from invoices.bank_import.match import Match, match_customers
from invoices.bank_import.rows import BankRow
from invoices.models import AccountTransaction, TransactionKind
from pricing.rules.amounts import exact_sum

LONGEST_REFERENCE = 200


class RowState(StrEnum):
    """What becomes of a row; pages translate them."""

    TO_BOOK = gettext_noop("to be booked")
    WITHOUT_CUSTOMER = gettext_noop("no customer found")
    AMBIGUOUS = gettext_noop("not certain")
    PERHAPS_BOOKED = gettext_noop("perhaps booked already")
    LEFT_OUT = gettext_noop("left out")
    REFUSED = gettext_noop("refused")
    IMPORTED = gettext_noop("imported before")
    OUTGOING = gettext_noop("outgoing")
    OTHER_CURRENCY = gettext_noop("another currency")
    UNREADABLE = gettext_noop("cannot be read")


# Of these the person may choose the customer.
OPEN = frozenset(
    (
        *(RowState.TO_BOOK, RowState.WITHOUT_CUSTOMER, RowState.AMBIGUOUS),
        *(RowState.PERHAPS_BOOKED, RowState.LEFT_OUT, RowState.REFUSED),
    )
)


@dataclass(frozen=True)
class PlannedRow:
    """A row with its state, the customer to be booked for, and what the page says about it."""

    row: BankRow
    state: RowState
    key: str
    customer: Customer | None = None
    candidates: Sequence[Customer] = ()
    note: str = ""
    chosen: str = ""  # what is in its field

    @property
    def is_open(self) -> bool:
        """Whether the person may choose the customer."""
        return self.state in OPEN

    @property
    def reference(self) -> str:
        """What is booked as the reference: the bank's, and the payer's text."""
        parts = (self.row.reference, self.row.text) if self.row.text else (self.row.reference, self.row.payer)
        return " ".join(filter(None, parts))[:LONGEST_REFERENCE] or gettext("Payment by bank")


@dataclass(frozen=True)
class Plan:
    """What becomes of each row of a file, how many there are of each state, and a digest of what is shown."""

    rows: list[PlannedRow]

    @property
    def to_book(self) -> list[PlannedRow]:
        """Those that are to be booked."""
        return [one for one in self.rows if one.state == RowState.TO_BOOK]

    @property
    def amount(self) -> Decimal:
        """Of all that is to be booked."""
        return exact_sum(one.row.amount for one in self.to_book)

    @property
    def counts(self) -> dict[RowState, int]:
        """How many rows there are in each state that has any."""
        counts = Counter(one.state for one in self.rows)
        return {state: counts[state] for state in RowState if counts[state]}

    @property
    def is_applicable(self) -> bool:
        """Whether there is something to book, and nothing that a person chose is refused."""
        return bool(self.to_book) and RowState.REFUSED not in self.counts

    @property
    def fingerprint(self) -> str:
        """A digest of what would be booked for whom."""
        shown = [
            [one.row.line, one.state, one.key, one.customer and one.customer.pk, str(one.row.amount)]
            for one in self.rows
        ]
        return _digest(shown)


def plan_import(rows: Sequence[BankRow], *, choices: Mapping[int, str]) -> Plan:
    """Return what importing these rows would book; by line, a person's choice of a customer's code.

    An empty choice leaves the row out. Nothing is changed.
    """
    keys = _keys(rows)
    before = _imported(keys)
    codes = {code for code in choices.values() if code}
    chosen = {one.code: one for one in Customer.objects.filter(code__in=codes)}
    matches = match_customers(rows)
    pairs = zip(rows, matches, strict=True)
    likely = [chosen.get(choices.get(row.line, "")) or match.customer for row, match in pairs]
    booked = _booked_otherwise(rows, likely, keys)
    plan = []
    for row, key, match in zip(rows, keys, matches, strict=True):
        state, note = _closed(row, before.get(key))
        if state is not None:
            plan.append(PlannedRow(row, state, key, note=note))
        elif code := choices.get(row.line, ""):
            other = booked.get(row.line)
            plan.append(_by_choice(row, key, match, other, code=code, customer=chosen.get(code)))
        else:
            planned = _by_match(row, key, match, booked.get(row.line))
            is_left_out = row.line in choices and planned.state == RowState.TO_BOOK
            plan.append(PlannedRow(row, RowState.LEFT_OUT, key) if is_left_out else planned)
    return Plan(plan)


def _closed(row: BankRow, before: AccountTransaction | None) -> tuple[RowState | None, str]:
    """Return the state of a row that is not to be booked for any customer."""
    if row.problem:
        return RowState.UNREADABLE, row.problem
    if row.amount <= 0:
        return RowState.OUTGOING, ""
    if not row.is_in_our_currency:
        return RowState.OTHER_CURRENCY, row.currency
    if row.amount >= MOST:
        return RowState.UNREADABLE, gettext("The amount is not less than a trillion RMB.")
    if before is not None:
        words = (
            gettext("For %(customer)s, reversed since.")
            if _is_reversed(before)
            else gettext("For %(customer)s.")
        )
        return RowState.IMPORTED, words % {"customer": before.customer.code}
    return None, ""


def _by_choice(
    row: BankRow,
    key: str,
    match: Match,
    other: AccountTransaction | None,
    *,
    code: str,
    customer: Customer | None,
) -> PlannedRow:
    if customer is None:
        problem = gettext("No customer has the code %(code)s.") % {"code": code[:64]}
        return PlannedRow(row, RowState.REFUSED, key, None, match.candidates, problem, code)
    note = match.why if customer == match.customer else gettext("Chosen by you.")
    if other is not None:
        note = f"{note} {_booked_words(other)}"
    return PlannedRow(row, RowState.TO_BOOK, key, customer, match.candidates, note, code)


def _by_match(row: BankRow, key: str, match: Match, other: AccountTransaction | None) -> PlannedRow:
    if match.customer is None:
        state = RowState.AMBIGUOUS if match.candidates else RowState.WITHOUT_CUSTOMER
        return PlannedRow(row, state, key, candidates=match.candidates, note=match.why)
    if other is not None:
        note = _booked_words(other)
        return PlannedRow(row, RowState.PERHAPS_BOOKED, key, None, match.candidates, note)
    code = match.customer.code
    return PlannedRow(row, RowState.TO_BOOK, key, match.customer, match.candidates, match.why, code)


def _booked_words(other: AccountTransaction) -> str:
    words = gettext("%(customer)s has a payment of this amount and day: %(reference)s.")
    return words % {"customer": other.customer.code, "reference": other.reference}


def _keys(rows: Sequence[BankRow]) -> list[str]:
    """Return the key of each row: the same in every file that holds it.

    Banks number some bookings within a day only, so date and amount are always part of it. Equal rows
    have running numbers.
    """
    equal: Counter[str] = Counter()
    keys = []
    for row in rows:
        words = [row.reference] if row.reference else [row.payer, row.text]
        same = _digest([str(row.date), f"{row.amount:.2f}", *words])
        equal[same] += 1
        keys.append(f"bank {_digest([same, equal[same]])}")
    return keys


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()


def _imported(keys: Iterable[str]) -> dict[str, AccountTransaction]:
    payments = AccountTransaction.objects.filter(kind=TransactionKind.PAYMENT, key__in=list(keys))
    return {one.key: one for one in payments.select_related("customer", "reversed_by")}


def _is_reversed(booked: AccountTransaction) -> bool:
    return hasattr(booked, "reversed_by")


def _booked_otherwise(
    rows: Sequence[BankRow], customers: Sequence[Customer | None], keys: Sequence[str]
) -> dict[int, AccountTransaction]:
    """Return by line a payment of the same customer, day and amount that is not a row of this file."""
    payments = AccountTransaction.objects.filter(
        kind=TransactionKind.PAYMENT,
        customer__in={one.pk for one in customers if one},
        value_date__in={row.date for row in rows if row.date},
        reverses=None,
        reversed_by=None,
    ).exclude(key__in=list(keys))
    known = {
        (one.customer_id, one.value_date, amount_of(one)): one
        for one in payments.select_related("customer").prefetch_related("entries")
    }
    likely = zip(rows, customers, strict=True)
    found = {row.line: known.get((one.pk, row.date, row.amount)) for row, one in likely if one and row.date}
    return {line: other for line, other in found.items() if other}
