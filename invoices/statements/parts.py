"""What goes onto a statement: bills and credits issued with closings of a span, and what was bought in it.

Credits and charges by hand are in the span in which they were approved.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet

from accounts.models import Customer
from invoices.models import Adjustment, HourlyBill, PackageCredit, PackagePurchase
from pricing.models import Decision
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

    def adjustments(self) -> QuerySet[Adjustment]:
        """Return the credits and charges by hand that were approved."""
        span = {"decided_at__gte": self.begins_at, "decided_at__lt": self.ends_at}
        approved = Adjustment.objects.filter(customer=self.customer, decision=Decision.APPROVED, **span)
        return approved.order_by("decided_at", "pk")


@dataclass(frozen=True)
class PartSums:
    """What the parts of a statement come to, exactly, in RMB."""

    bills: int
    documents: int  # bills included
    usage: Decimal
    purchases: Decimal
    credits: Decimal
    adjustments: Decimal  # charges by hand less credits by hand

    @property
    def amount(self) -> Decimal:
        """The exact total."""
        return exact_sum([self.usage, self.purchases, -self.credits, self.adjustments])


def sum_parts(parts: StatementParts) -> PartSums:
    """Add the documents up."""
    bills = list(parts.bills().values_list("amount", flat=True))
    purchases = list(parts.purchases().values_list("amount", flat=True))
    credits = list(parts.credits().values_list("credited", flat=True))
    adjustments = [one.owed for one in parts.adjustments()]
    return PartSums(
        bills=len(bills),
        documents=len(bills) + len(purchases) + len(credits) + len(adjustments),
        usage=exact_sum(bills),
        purchases=exact_sum(purchases),
        credits=exact_sum(credits),
        adjustments=exact_sum(adjustments),
    )
