"""A customer's bills over a span of time, whole or as far as they charge for one service."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import Case, Exists, F, Func, OuterRef, QuerySet, Subquery, Sum, TextField, Value, When
from django.db.models.functions import Cast

from accounts.models import Customer
from invoices.models import ChargeLine, Correction, HourlyBill
from pricing.models import Service
from sensenova_billing.lib.local_time import start_of_day

_TEXTS = ArrayField(TextField())


@dataclass(frozen=True)
class Selection:
    """Which bills: of hours that begin on these days by the customer's clock, with lines of this service."""

    customer: Customer
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    service: Service | None = None

    def bills(self) -> QuerySet[HourlyBill]:
        """Return the bills, newest first."""
        bills = HourlyBill.objects.filter(customer=self.customer)
        zone = ZoneInfo(self.customer.time_zone)
        if self.first_day:
            bills = bills.filter(hour_id__gte=start_of_day(self.first_day, zone))
        if self.last_day:
            bills = bills.filter(hour_id__lt=start_of_day(self.last_day + dt.timedelta(days=1), zone))
        if self.service:
            bills = bills.filter(Exists(self._lines_of_bill()))
        return bills.order_by("-hour_id")

    def rows(self, bills: QuerySet[HourlyBill]) -> QuerySet[HourlyBill, tuple[Any, ...]]:
        """Return what a BillRow holds of each of these bills."""
        records: Any = F("records")
        amount: Any = F("amount")
        if self.service:
            # Every record of a service is counted on the lines of each of its billing items.
            of_item = self._lines_of_bill().order_by().values("billing_item")
            records = Subquery(of_item.annotate(total=Sum("records")).order_by("-total").values("total")[:1])
            of_bill = self._lines_of_bill().order_by().values("bill")
            amount = Subquery(of_bill.annotate(total=Sum("amount")).values("total"))
        return bills.annotate(shown_records=records, shown_amount=amount).values_list(
            "number",
            "customer_code",
            "customer_name",
            "hour_id",
            "issued_at",
            "shown_records",
            "shown_amount",
            "pk",
        )

    def lines(self) -> QuerySet[Any]:
        """Return the bills' charge lines, newest bill first, each bill's in the order of its page."""
        lines = ChargeLine.objects.filter(bill__in=self.bills().order_by())
        if self.service:
            lines = lines.filter(service=self.service)
        return in_order_of_page(lines, "-bill__hour_id")

    def _lines_of_bill(self) -> QuerySet[ChargeLine]:
        return ChargeLine.objects.filter(bill=OuterRef("pk"), service=self.service)


class BillRow(NamedTuple):
    """A bill in a list; records and amount are those of one service where one is selected."""

    number: str
    customer_code: str
    customer_name: str
    hour_id: dt.datetime
    issued_at: dt.datetime
    records: int
    amount: Decimal
    pk: int


def in_order_of_page(lines: QuerySet[ChargeLine], *before: str) -> QuerySet[Any]:
    """Return charge lines by service, hour and item; of one item usage, then what is corrected."""
    return (
        explained(lines)
        .select_related("bill", "corrects__bill", "package")
        .order_by(
            *before,
            *("service__group__position", "service__position", "service_id"),
            *("-usage_hour", "billing_item_id", "price_id"),
            # Reversals, then credits, then rebilled lines.
            *(F("corrects").asc(nulls_first=True), F("rerating").asc(nulls_first=True), "-correction"),
            # What a package covers, then what none does.
            *(F("package").asc(nulls_last=True), "pk"),
        )
    )


def explained(lines: QuerySet[ChargeLine]) -> QuerySet[Any]:
    """Add to each line the bills that correct it, `corrected_on`, and why it corrects one, `reasons`."""
    correcting = ChargeLine.objects.filter(corrects=OuterRef("pk")).order_by("bill__number")
    reason = Func(
        Cast("rerating__reason", TextField()), template="ARRAY[%(expressions)s]", output_field=_TEXTS
    )
    return lines.annotate(
        corrected_on=ArraySubquery(correcting.values("bill__number").distinct()),
        reasons=Case(
            When(rerating__isnull=False, then=reason),
            When(correction=Correction.REVERSAL, then=_reasons_of_reversals()),
            default=Value([], output_field=_TEXTS),
        ),
    )


def _reasons_of_reversals() -> Func:
    """Return why the records of a line with reversals were reversed, each reason once."""
    columns = ("bill__customer", "bill__hour", "corrects__bill__hour", "service", "usage_hour")
    return Func(*map(F, columns), function="reasons_of_reversals", output_field=_TEXTS)
