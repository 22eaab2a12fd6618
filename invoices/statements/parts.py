"""What goes onto a statement: the bills and credits issued with closings of a span, and purchases in it."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import Customer
from invoices.models import HourlyBill, PackageCredit, PackagePurchase
from pricing.rules.amounts import exact_sum


@dataclass(frozen=True)
class StatementParts:
    """The documents of a customer with a closing or purchase in the half-open span, oldest first."""

    customer: Customer
    begins_at: dt.datetime
    ends_at: dt.datetime

    def bills(self) -> QuerySet[HourlyBill]:
        """Return the hourly bills; one that was parked is in the span of the closing that issued it."""
        span = {"sealed_in_id__gte": self.begins_at, "sealed_in_id__lt": self.ends_at}
        return HourlyBill.objects.filter(customer=self.customer, **span).order_by("hour_id")

    def purchases(self) -> QuerySet[PackagePurchase]:
        """Return the purchases of packages."""
        span = {"bought_at__gte": self.begins_at, "bought_at__lt": self.ends_at}
        purchases = PackagePurchase.objects.filter(package__customer=self.customer, **span)
        return purchases.select_related("package").order_by("bought_at", "package_id")

    def credits(self) -> QuerySet[PackageCredit]:
        """Return the credits of refunded packages."""
        span = {"sealed_in_id__gte": self.begins_at, "sealed_in_id__lt": self.ends_at}
        credits = PackageCredit.objects.filter(package__customer=self.customer, **span)
        return credits.order_by("sealed_in_id", "number")


@dataclass(frozen=True)
class PartSums:
    """What the parts of a statement come to, exactly, in RMB."""

    bills: int
    documents: int  # bills included
    usage: Decimal
    purchases: Decimal
    credits: Decimal

    @property
    def amount(self) -> Decimal:
        """The exact total."""
        return exact_sum([self.usage, self.purchases, -self.credits])


def sum_parts(parts: StatementParts) -> PartSums:
    """Add the documents up."""
    bills = list(parts.bills().values_list("amount", flat=True))
    purchases = list(parts.purchases().values_list("amount", flat=True))
    credits = list(parts.credits().values_list("credited", flat=True))
    return PartSums(
        bills=len(bills),
        documents=len(bills) + len(purchases) + len(credits),
        usage=exact_sum(bills),
        purchases=exact_sum(purchases),
        credits=exact_sum(credits),
    )
