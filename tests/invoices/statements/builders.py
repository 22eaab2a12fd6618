"""Statements of months that are not over yet, so that tests need no month of closed hours."""

import datetime as dt
from decimal import Decimal

from accounts.models import Customer
from invoices.account.transactions import book
from invoices.models import AccountTransaction, Statement, TransactionKind
from invoices.statements.issue import issue_next_statement
from tests.builders import THE_HOUR, at

LATER = THE_HOUR + dt.timedelta(days=70)
STAFF = "cashier@sensenova.example"


def issue_statement(customer: Customer) -> Statement:
    """Issue the customer's next statement, as if its month were over and closed."""
    statement = issue_next_statement(customer=customer, closed_until=LATER, now=LATER)
    assert statement is not None
    return statement


def booked(
    customer: Customer,
    kind: TransactionKind = TransactionKind.PAYMENT,
    amount: Decimal | str = "100.00",
    **fields: str,
) -> AccountTransaction:
    """Book a transaction, a payment of 100 RMB unless the test says otherwise."""
    usual = {"reference": "TRF 4711", "reason": "" if kind == TransactionKind.PAYMENT else "Agreed."}
    return book(
        **{"customer": customer, "kind": kind, "amount": Decimal(amount), "by": STAFF},  # type: ignore[arg-type]
        **{"value_date": dt.date(2026, 3, 5), "now": at(5), **usual, **fields},  # type: ignore[arg-type]
    )
