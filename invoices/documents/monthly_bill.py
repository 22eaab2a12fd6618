"""A month's bill: what a customer's hourly bills of a month come to, for whoever pays and books it.

It is no document of its own but made when it is looked at, of hourly bills that never change. So it only
grows, until the last hour of the month is closed and none is under review.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext

from invoices.documents.months import Month
from invoices.documents.parties import Party, buyer_of, seller
from invoices.documents.payable import Payable, payable_of
from invoices.drilldown.bill_lists import BillRow
from pricing.rules.amounts import exact_sum
from pricing.rules.kinds import Kind
from pricing.words import kind_name, list_text
from sensenova_billing.lib.database.statements import load_statement

_SUM_ITEMS = load_statement("sum_items.sql", beside=__file__)


class ItemSum(NamedTuple):
    """What was used of a billing item at one price, and what it comes to; corrections are counted in."""

    service_id: int
    service_name: str
    measure: str
    price_kind: str
    is_own_price: bool
    is_corrected: bool
    is_covered: bool
    unit_price: Decimal
    unit_size: int
    calls: int
    quantity: Decimal
    amount: Decimal

    @property
    def is_free_trial(self) -> bool:
        """Whether it costs nothing because of a free trial."""
        return self.price_kind == Kind.FREE_TRIAL and not self.unit_price and not self.is_covered

    @property
    def price_words(self) -> str:
        """What kind of price it is, in the words of the bill."""
        if self.is_covered:
            return gettext("covered by a package")
        if self.is_corrected:
            return gettext("corrected price")
        own = [gettext("your contract price")] if self.is_own_price else []
        return list_text([kind_name(self.price_kind), *own])


class OtherPart(NamedTuple):
    """A package that was bought, or a credit, which is negative: on a statement beside the hourly bills."""

    day: dt.date
    number: str
    kind: str
    text: str
    amount: Decimal


@dataclass(frozen=True)
class MonthlyBill:
    """A month's hourly bills and their sums; with a number it is an issued statement."""

    month: Month
    seller: Party
    buyer: Party
    items: list[ItemSum]
    bills: list[BillRow]
    payable: Payable
    billed_until: dt.datetime
    hours_under_review: int
    made_at: dt.datetime
    number: str = ""
    corrects: str = ""  # the number of the statement that it supersedes
    others: Sequence[OtherPart] = ()

    @property
    def title(self) -> str:
        """The name of the document."""
        names = {"month": self.month, "number": self.number}
        return (gettext("Statement %(number)s") if self.number else gettext("Monthly bill %(month)s")) % names

    @property
    def usage(self) -> Decimal:
        """The exact sum of the hourly bills."""
        return self.payable.exact - exact_sum(one.amount for one in self.others)

    @property
    def is_complete(self) -> bool:
        """Whether nothing can be added any more."""
        return bool(self.number) or (self.billed_until == self.month.end and not self.hours_under_review)


def monthly_bill(*, month: Month, now: dt.datetime) -> MonthlyBill:
    """Return the bill of a customer's month, as far as it is billed."""
    billed_until = month.billed_until()  # first: an hour that closes meanwhile is in the rest
    bills = month.bills()
    return MonthlyBill(
        month=month,
        seller=seller(),
        buyer=buyer_of(month.customer),
        items=sum_items(bills),
        bills=bills,
        payable=payable_of(exact=exact_sum(bill.amount for bill in bills), tax_rate=settings.TAX_RATE),
        billed_until=billed_until,
        hours_under_review=month.hours_under_review(),
        made_at=now,
    )


def sum_items(bills: list[BillRow]) -> list[ItemSum]:
    """Return what these bills come to by service, billing item and price."""
    with connection.cursor() as cursor:
        cursor.execute(_SUM_ITEMS, {"bills": [bill.pk for bill in bills]})
        return [ItemSum(*row) for row in cursor.fetchall()]
