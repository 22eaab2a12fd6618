"""The checker's part for accounts: bookings against the journal of bookings, statements against documents.

It shares no code with the product: what a statement comes to is the sum of the documents of its span, by
fractions, and what is payable is that cut off; a balance is the sum of what was answered and of statements.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import pairwise
from math import trunc
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tests.faults.by_hand import approved_by_two, wrong_adjustments
from tests.faults.online import wrong_payments

STATEMENT, REFUND = "statement", "refund"
OWED_MORE = {"refund", "chargeback", STATEMENT}
BY_PROVIDER, BY_BANK = "fake ", "bank "  # how the keys of bookings begin
KINDS = ("bookings", "statements", "payments", "adjustments", "balances")


@dataclass(frozen=True)
class Account:
    """What is written of accounts; every row has the names of `_QUESTIONS`."""

    transactions: Sequence[Any] = ()
    statements: Sequence[Any] = ()
    documents: Sequence[Any] = ()
    payments: Sequence[Any] = ()  # online
    adjustments: Sequence[Any] = ()  # credits and charges by hand


@dataclass(frozen=True)
class AccountFindings:
    """How much was booked, and what is wrong; the lists are empty where the accounts are right."""

    booked: int
    refused: int
    imported: int
    ordered_online: int
    paid_online: int
    call_backs: int
    adjusted: int
    approved_by_two: int
    statements_issued: int
    bookings: list[str]
    statements: list[str]
    payments: list[str]
    adjustments: list[str]
    balances: list[str]

    def faults(self) -> dict[str, int]:
        """Return how many there are of each kind of fault that was found."""
        return {kind: len(getattr(self, kind)) for kind in KINDS if getattr(self, kind)}

    def counts(self) -> dict[str, int]:
        """Return how much there was, in words."""
        return {
            field.name.replace("_", " "): getattr(self, field.name)
            for field in fields(self)
            if field.name not in KINDS
        }


def check_account(account: Account, *, journal: Iterable[dict[str, Any]]) -> AccountFindings:
    """Return what is wrong with these accounts after what the journal tells."""
    entries = list(journal)
    return AccountFindings(
        booked=sum(row.kind != STATEMENT for row in account.transactions),
        refused=len({entry["refused"] for entry in entries if "refused" in entry}),
        imported=sum(row.key.startswith(BY_BANK) for row in account.transactions),
        ordered_online=len(account.payments),
        paid_online=sum(row.state == "paid" for row in account.payments),
        call_backs=sum(row.callbacks for row in account.payments),
        adjusted=len(account.adjustments),
        approved_by_two=approved_by_two(account.adjustments),
        statements_issued=len(account.statements),
        bookings=[*_wrong_bookings(account.transactions, entries), *_wrong_refunds(account.transactions)],
        statements=[*_wrong_statements(account), *_wrong_spans(account)],
        payments=[*wrong_payments(payments=account.payments, journal=entries)],
        adjustments=[*wrong_adjustments(adjustments=account.adjustments, journal=entries)],
        balances=[*_wrong_balances(account, entries)],
    )


def _wrong_bookings(transactions: Sequence[Any], journal: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what was booked without a form, otherwise than in the form, not at all, or more than once."""
    requested = {entry["booking"]: entry for entry in journal if "booking" in entry}
    answered = {entry["booked"] for entry in journal if "booked" in entry}
    found = Counter(row.key for row in transactions if row.kind != STATEMENT)
    for key in sorted(found.keys() | answered):
        if key not in requested or found[key] != 1:
            yield f"{key}: booked {found[key]} times, {'' if key in requested else 'not '}requested"
    for row in transactions:
        if row.sum != 0 or row.sides != 2:
            yield f"{row.key}: its {row.sides} entries come to {row.sum}"
        if (form := requested.get(row.key)) and (row.customer, row.kind, _amount(row)) != (
            form["customer"],
            form["kind"],
            Fraction(form["amount"]),
        ):
            yield f"{row.key}: {row.customer} {row.kind} {row.owed} booked, {form} requested"


def _amount(row: Any) -> Fraction:
    return Fraction(row.owed) if row.kind in OWED_MORE else -Fraction(row.owed)


def _wrong_refunds(transactions: Sequence[Any]) -> Iterator[str]:
    """Yield refunds by staff of more than was paid ahead; a customer's transactions are booked one by one.

    What the provider has refunded is gone, paid ahead or not.
    """
    owed: defaultdict[str, Fraction] = defaultdict(Fraction)
    for row in sorted(transactions, key=lambda row: row.id):
        owed[row.customer] += Fraction(row.owed)
        is_by_staff = row.kind == REFUND and not row.key.startswith(BY_PROVIDER)
        if is_by_staff and owed[row.customer] > 0:
            yield f"{row.key}: after the refund {row.customer} owes {owed[row.customer]}"


def _wrong_balances(account: Account, journal: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield customers with another balance than the plain sum of answered bookings and statements."""
    requested = {entry["booking"]: entry for entry in journal if "booking" in entry}
    booked = {entry["booked"] for entry in journal if "booked" in entry}
    refused = {entry["refused"] for entry in journal if "refused" in entry}
    unanswered = {form["customer"] for key, form in requested.items() if key not in booked | refused}
    expected: defaultdict[str, Fraction] = defaultdict(Fraction)
    for key in booked & requested.keys():
        form = requested[key]
        amount = Fraction(form["amount"])
        expected[form["customer"]] += amount if form["kind"] in OWED_MORE else -amount
    for row in account.statements:
        expected[row.customer] += Fraction(row.payable)
    owed: defaultdict[str, Fraction] = defaultdict(Fraction)
    for row in account.transactions:
        owed[row.customer] += Fraction(row.owed)
    for customer in sorted((expected.keys() | owed.keys()) - unanswered):
        if expected[customer] != owed[customer]:
            yield f"{customer}: {float(owed[customer]):.2f} owed, and not {float(expected[customer]):.2f}"


def _wrong_statements(account: Account) -> Iterator[str]:
    """Yield statements that are not the sum of their documents, or not booked once."""
    booked = Counter(row.statement for row in account.transactions if row.kind == STATEMENT)
    amounts = {row.statement: row.owed for row in account.transactions if row.kind == STATEMENT}
    for place, row in enumerate(sorted(account.statements, key=lambda row: row.sequence), start=1):
        exact = sum((Fraction(one.amount) for one in _of_span(account, row)), Fraction())
        if row.sequence != place:
            yield f"statement {row.sequence}: {place} is missing"
        if (Fraction(row.amount), Fraction(row.payable)) != (exact, Fraction(trunc(exact * 100), 100)):
            yield f"statement {row.sequence}: {row.amount}, {row.payable} payable, and not {exact}"
        if row.payable and (booked[row.sequence], amounts.get(row.sequence)) != (1, row.payable):
            yield f"statement {row.sequence}: booked {booked[row.sequence]} times"


def _of_span(account: Account, statement: Any) -> list[Any]:
    return [
        one
        for one in account.documents
        if one.customer == statement.customer and statement.begins_at <= one.at < statement.ends_at
    ]


def _wrong_spans(account: Account) -> Iterator[str]:
    """Yield customers with statements that leave out a span between them, or a document before the first."""
    by_customer: defaultdict[str, list[Any]] = defaultdict(list)
    for row in sorted(account.statements, key=lambda row: row.begins_at):
        by_customer[row.customer].append(row)
    first: dict[str, dt.datetime] = {}
    for one in account.documents:
        first[one.customer] = min(one.at, first.get(one.customer, one.at))
    for customer, rows in by_customer.items():
        if first.get(customer, rows[0].begins_at) < rows[0].begins_at:
            yield f"{customer}: documents before the first statement"
        for before, after in pairwise(rows):
            if before.ends_at != after.begins_at:
                yield f"{customer}: statements {before.sequence} and {after.sequence} do not meet"


def read_account(url: str) -> Account:
    """Read it all as of one instant."""
    with psycopg.connect(url, row_factory=namedtuple_row) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return Account(
            **{name: connection.execute(question).fetchall() for name, question in _QUESTIONS.items()}
        )


_QUESTIONS = {
    "transactions": """
        SELECT booked.id, customer.code AS customer, kind, statement_id AS statement,
               CASE WHEN key LIKE 'bank %' THEN 'bank ' || split_part(reference, ' ', 1) ELSE key END AS key,
               count(*) AS sides, sum(amount) AS sum,
               sum(amount) FILTER (WHERE account = 'receivable') AS owed
          FROM invoices_accounttransaction AS booked
          JOIN accounts_customer AS customer ON customer.id = customer_id
          JOIN invoices_accountentry AS entry ON entry.transaction_id = booked.id
         GROUP BY booked.id, customer.code""",
    "statements": """
        SELECT sequence, customer_code AS customer, begins_at, ends_at, amount, payable
          FROM invoices_statement""",
    # With the instant that decides on which statement each is.
    "documents": """
        SELECT customer_code AS customer, sealed_in_id AS at, amount FROM invoices_hourlybill
         UNION ALL SELECT customer_code, bought_at, amount FROM invoices_packagepurchase
         UNION ALL SELECT customer_code, sealed_in_id, -credited FROM invoices_packagecredit
         UNION ALL SELECT customer.code, decided_at, CASE kind WHEN 'credit' THEN -amount ELSE amount END
          FROM invoices_adjustment
          JOIN accounts_customer AS customer ON customer.id = customer_id
         WHERE decision = 'approved'""",
    # Of call-backs those that were sent; the clock looks silent payments up.
    "payments": """
        SELECT order_id::text, customer.code AS customer, amount, state, refunded,
               (SELECT count(*) FROM invoices_paymentcallback AS callback
                 WHERE callback.payment_id = payment.id AND event_id NOT LIKE '% looked up') AS callbacks
          FROM invoices_onlinepayment AS payment
          JOIN accounts_customer AS customer ON customer.id = customer_id""",
    "adjustments": """
        SELECT key, customer.code AS customer, kind, amount, decision, proposed_by, decided_by
          FROM invoices_adjustment
          JOIN accounts_customer AS customer ON customer.id = customer_id""",
}
