"""Documents: what each customer owes for each closed hour, and why.

An *hourly bill* is what one customer owes for one billing hour: the exact sum of its *charge lines*. A line
is a quantity of one billing item at one price; its amount is quantity x unit price / unit size, exactly.
Both are copies, made when the hour closes and never edited: names, prices and kinds are written into them.
An *hour seal* is the SHA-256 over an hour's lines and over the seal of the hour before.

Amounts are in RMB (CNY) and are never rounded here.
"""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from accounts.models import Customer, User
from pricing.measures import Measure
from pricing.models import UNIT_SIZES, BillingItem, Price, PriceKind, Service, unit_text
from usage.models import BillingHour, whole_hour

# Unit prices have 8 decimals and unit sizes reach 10^6, so 14 decimals hold every amount exactly.
AMOUNT_DECIMALS = 14
# Far above any real bill; an upper bound is what keeps NaN out.
AMOUNT_BOUND = Decimal(10) ** 30


def _amount() -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField("amount (RMB)", max_digits=50, decimal_places=AMOUNT_DECIMALS)


def _is_an_amount(column: str = "amount") -> Q:
    return Q(**{f"{column}__gte": 0, f"{column}__lt": AMOUNT_BOUND})


class HourlyBillQuerySet(models.QuerySet["HourlyBill"]):
    def visible_to(self, user: User) -> "HourlyBillQuerySet":
        """The bills of the customers for which this person acts."""
        return self.filter(customer__members__user=user)


class HourlyBill(models.Model):
    """What one customer owes for one billing hour."""

    number = models.CharField(max_length=80)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="hourly_bills"
    )
    hour = models.ForeignKey(BillingHour, on_delete=models.PROTECT, related_name="bills")
    customer_code = models.CharField(max_length=64)
    customer_name = models.CharField(max_length=200)
    records = models.BigIntegerField(help_text="Usage records billed.")
    amount = _amount()
    issued_at = models.DateTimeField()

    objects: ClassVar[HourlyBillQuerySet] = HourlyBillQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("-hour_id", "customer_code")
        constraints = (
            models.UniqueConstraint("number", name="a_bill_number_names_one_bill"),
            models.UniqueConstraint("customer", "hour", name="a_customer_has_one_bill_per_hour"),
            models.CheckConstraint(condition=_is_an_amount(), name="a_bill_amount_is_a_number_from_0"),
            models.CheckConstraint(condition=Q(records__gte=1), name="a_bill_bills_something"),
        )

    def __str__(self) -> str:
        return self.number


class ChargeLine(models.Model):
    """A quantity of one billing item at one price on an hourly bill."""

    bill = models.ForeignKey(HourlyBill, on_delete=models.PROTECT, db_index=False, related_name="lines")
    billing_item = models.ForeignKey(BillingItem, on_delete=models.PROTECT, db_index=False, related_name="+")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, db_index=False, related_name="+")
    service = models.ForeignKey(Service, on_delete=models.PROTECT, db_index=False, related_name="+")
    usage_hour = models.DateTimeField(
        help_text="The hour of the usage; before the bill's hour if it came late."
    )
    service_name = models.CharField(max_length=100)
    measure = models.CharField(max_length=32, choices=Measure.choices())
    price_kind = models.CharField(max_length=20, choices=PriceKind.choices)
    is_own_price = models.BooleanField(help_text="The price was negotiated with this customer.")
    unit_price = models.DecimalField(max_digits=14, decimal_places=8)
    unit_size = models.PositiveIntegerField()
    records = models.BigIntegerField(help_text="Usage records in this line.")
    quantity = models.DecimalField(max_digits=30, decimal_places=0)
    amount = _amount()

    class Meta:
        ordering = ("usage_hour", "billing_item", "price_id")
        constraints = (
            models.UniqueConstraint(
                "bill",
                "billing_item",
                "price",
                "usage_hour",
                name="a_bill_has_one_line_per_item_price_and_usage_hour",
            ),
            models.CheckConstraint(condition=_is_an_amount(), name="a_line_amount_is_a_number_from_0"),
            models.CheckConstraint(
                condition=Q(quantity__gte=0, quantity__lt=AMOUNT_BOUND),
                name="a_line_quantity_is_a_number_from_0",
            ),
            models.CheckConstraint(
                condition=Q(Exact(F("amount") * F("unit_size"), F("quantity") * F("unit_price"))),
                name="a_line_amount_is_quantity_times_unit_price",
            ),
            models.CheckConstraint(
                condition=Q(unit_size__in=list(UNIT_SIZES)), name="a_line_unit_size_is_a_power_of_ten"
            ),
            models.CheckConstraint(condition=Q(records__gte=1), name="a_line_bills_something"),
            models.CheckConstraint(condition=Q(whole_hour("usage_hour")), name="a_lines_usage_hour_is_whole"),
        )

    def __str__(self) -> str:
        return f"{self.service_name}: {self.get_measure_display()}"

    @property
    def unit(self) -> str:
        """What the unit price is for, e.g. `thousand tokens`."""
        return unit_text(measure=Measure(self.measure), unit_size=self.unit_size)

    @property
    def is_late(self) -> bool:
        """Whether the usage came after its own hour was closed."""
        return self.usage_hour != self.bill.hour_id


class HourSeal(models.Model):
    """The totals of a closed hour and the SHA-256 over its lines, chained to the seal before."""

    hour = models.OneToOneField(BillingHour, on_delete=models.PROTECT, primary_key=True, related_name="seal")
    sha256 = models.BinaryField(max_length=32)
    bills = models.BigIntegerField()
    lines = models.BigIntegerField()
    records = models.BigIntegerField()
    amount = _amount()

    class Meta:
        ordering = ("-hour",)
        constraints = (
            models.CheckConstraint(condition=_is_an_amount(), name="a_seal_amount_is_a_number_from_0"),
            models.CheckConstraint(condition=Q(Exact(Length("sha256"), 32)), name="a_seal_is_a_sha_256"),
        )

    def __str__(self) -> str:
        return bytes(self.sha256).hex()
