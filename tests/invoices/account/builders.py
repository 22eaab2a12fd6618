"""Money that comes in, and hours that cost something."""

import datetime as dt
from decimal import Decimal

from accounts.models import Customer
from invoices.account.transactions import book
from invoices.models import AccountTransaction, HourlyBill, TransactionKind
from tests.invoices.statements.builders import STAFF
from usage.models import HOUR, BillingHour

FIRST = dt.datetime(2026, 3, 2, 4, tzinfo=dt.UTC)  # noon in Shanghai


def charge(
    customer: Customer,
    amount: object = "100",
    *,
    at: dt.datetime = FIRST,
    kind: TransactionKind = TransactionKind.CHARGE,
) -> AccountTransaction:
    """Book what the customer owes."""
    return book(
        customer=customer,
        kind=kind,
        amount=Decimal(str(amount)),
        reference="TRF 1",
        value_date=at.date(),
        by=STAFF,
        reason="Agreed.",
        now=at,
    )


def pay(customer: Customer, amount: object = "100", *, at: dt.datetime) -> AccountTransaction:
    """Book a payment."""
    return charge(customer, amount, at=at, kind=TransactionKind.PAYMENT)


def billed_hour(customer: Customer, amount: object, *, hour: dt.datetime) -> HourlyBill:
    """An hour that closed with a bill of this amount; those between the last one and it closed without."""
    last = BillingHour.objects.order_by("-hour").first()
    first = last.hour + HOUR if last else hour
    BillingHour.objects.bulk_create(
        BillingHour(hour=at, previous_id=at - HOUR if last or at > first else None, closed_at=at + HOUR)
        for at in (first + number * HOUR for number in range((hour - first) // HOUR + 1))
    )
    return HourlyBill.objects.create(
        **{"number": f"{hour:%Y%m%dT%HZ}-{customer.code}", "customer": customer, "hour_id": hour},
        **{"sealed_in_id": hour, "customer_code": customer.code, "customer_name": customer.name},
        **{"records": 0, "amount": Decimal(str(amount)), "issued_at": hour + HOUR},
    )
