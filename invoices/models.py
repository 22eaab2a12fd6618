"""Documents: what each customer owes for each closed hour, and why.

An *hourly bill* is what one customer owes for one billing hour: the exact sum of its *charge lines*. A line
is a quantity of one billing item at one price; its amount is quantity x unit price / unit size, exactly.
Both are copies, made when an hour closes and never edited: names, prices and kinds are written into them.
An *hour seal* is the SHA-256 over all that was made when an hour closed and over the seal of the hour before.
A *customer total* is the sum of a customer's bills of a day or a month, for pages that could not add them up.

A customer's open hour that would be parked as it stands has an *alarm* while it runs.

A customer's hour that looks wrong is *parked*: the hour closes, but without a bill for it. A *release* lets
the next closing issue that bill. What was billed wrongly is corrected by lines on a later bill that refer to
the lines they correct: a *reversal* credits records; a *re-rating* credits quantities at the price that was
charged and rebills them at another. A *verification* is the result of computing all of it once more.

What an open hour of many records or a large amount comes to is summed up as a *running hour*, so that pages
and alarms need not read them.

*Metadata usage* is what calls with a value in their metadata, such as a project, have of a charge line.

A *package purchase* is the document of a quota package: what was bought, for how much. What an hour takes
from a Tokens package is a *draw*, and what it gives back for reversed calls another; both are sealed with the
hour. A line of covered usage has the amount 0 and names its package. A *quota overrun* is a minute in which a
customer used more tokens than the TPM that it had bought. A *notice* tells a customer what becomes of a
package. A *package refund* is the order to end a package; the *package credit* is its document.

A *statement* is what a customer is to pay for a month: the only amount that is rounded, truncated to the fen.
An *adjustment* is a credit or charge by hand; once it is approved, it is on the statement of its month.
A customer's account is kept in double entries: an *account transaction* is a statement, a payment, a refund,
a credit, a charge or a write-off, and its *account entries* add up to zero. The balance is their sum.
An *e-invoice request* asks for the tax invoice of statements, which staff issue elsewhere.

Amounts are in RMB (CNY); nothing but statements and their transactions is rounded.
"""

from decimal import Decimal
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Cast, Concat, Length, LPad
from django.db.models.lookups import Exact, GreaterThan, LessThanOrEqual
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.audit.context import LONGEST_REASON
from accounts.models import Customer, InvoiceKind, User
from pricing.models import (
    UNIT_SIZES,
    WEIGHT_PLACES,
    BillingItem,
    Decision,
    Price,
    QuotaPackage,
    Service,
    unit_text,
)
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.unit_prices import PRICE_BOUND, PRICE_DECIMALS, PRICE_DIGITS, validate_unit_price
from sensenova_billing.lib.countries import CHINA
from sensenova_billing.lib.database.conditions import whole_hour
from usage.models import BillingHour

# Unit prices have 8 decimals and unit sizes reach 10^6, so 14 decimals hold every amount exactly.
AMOUNT_DECIMALS = 14
# Of tokens drawn: those of the weights.
DRAW_PLACES = WEIGHT_PLACES
# Of credits and charges by hand: a percentage with 2 decimals of an exact amount. Statements add them up.
PERCENT_DECIMALS = 2
ADJUSTMENT_DECIMALS = AMOUNT_DECIMALS + PERCENT_DECIMALS + 2
# Of credits: a share of a price need not have an end, and is cut off here.
CREDIT_DECIMALS = 8
# Far above any real bill; an upper bound is what keeps NaN out.
AMOUNT_BOUND = Decimal(10) ** 30


def _amount() -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField("amount (RMB)", max_digits=50, decimal_places=AMOUNT_DECIMALS)


def _is_an_amount(column: str = "amount") -> Q:
    return Q(**{f"{column}__gt": -AMOUNT_BOUND, f"{column}__lt": AMOUNT_BOUND})


class Correction(models.TextChoices):
    """What a charge line corrects, if anything; pages translate the labels."""

    NONE = "", gettext_noop("usage")
    REVERSAL = "reversal", gettext_noop("reversed")
    CREDITED = "taken_back", gettext_noop("credited")
    REBILLED = "charged_anew", gettext_noop("rebilled")

    @property
    def words(self) -> str:
        """As bills and their files word it; empty for usage."""
        if self is Correction.REBILLED:
            return gettext_noop("rebilled at corrected price")
        return self.label if self.value else ""


def _range(begin: str, end: str, bounds: str = "[)") -> Func:
    return Func(F(begin), F(end), Value(bounds), function="TSTZRANGE", output_field=DateTimeRangeField())


class HourlyBillQuerySet(models.QuerySet["HourlyBill"]):
    def visible_to(self, user: User) -> "HourlyBillQuerySet":
        """The bills of the customers of which this person is a member."""
        return self.filter(customer__members__user=user)


class HourlyBill(models.Model):
    """What one customer owes for one billing hour."""

    number = models.CharField(max_length=80)
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="hourly_bills"
    )
    hour = models.ForeignKey(BillingHour, on_delete=models.PROTECT, related_name="bills")
    sealed_in = models.ForeignKey(
        BillingHour,
        on_delete=models.PROTECT,
        related_name="sealed_bills",
        help_text="The hour with whose closing it was issued; a later one if it was parked.",
    )
    customer_code = models.CharField(max_length=64)
    customer_name = models.CharField(max_length=200)
    records = models.BigIntegerField(help_text="Usage records billed.")
    amount = _amount()
    issued_at = models.DateTimeField()

    objects: ClassVar[HourlyBillQuerySet] = HourlyBillQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("-hour_id", "customer_code")
        # By which statements find them.
        indexes = (models.Index(fields=["customer", "sealed_in"], name="bills_of_a_span_of_closings"),)
        constraints = (
            models.UniqueConstraint("number", name="a_bill_number_names_one_bill"),
            models.UniqueConstraint("customer", "hour", name="a_customer_has_one_bill_per_hour"),
            models.CheckConstraint(condition=_is_an_amount(), name="a_bill_amount_is_a_number"),
            models.CheckConstraint(condition=Q(records__gte=0), name="a_bill_bills_no_less_than_nothing"),
            models.CheckConstraint(
                condition=Q(sealed_in__gte=F("hour")), name="a_bill_is_sealed_in_its_hour_or_later"
            ),
        )

    def __str__(self) -> str:
        return self.number


class ChargeLine(models.Model):
    """A quantity of one billing item at one price on an hourly bill."""

    bill = models.ForeignKey(HourlyBill, on_delete=models.PROTECT, db_index=False, related_name="lines")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, db_index=False, related_name="+")
    # Both are the price's own, whose constraints keep them; two more here cost as much as writing the lines.
    # The package below is kept by its draws and periods.
    billing_item = models.ForeignKey(
        BillingItem, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    usage_hour = models.DateTimeField(
        help_text="The hour of the usage; before the bill's hour if it came late."
    )
    service_name = models.CharField(max_length=100)
    measure = models.CharField(max_length=32, choices=Measure.choices())
    price_kind = models.CharField(max_length=20, choices=Kind.choices())
    is_own_price = models.BooleanField(help_text="The price was negotiated with this customer.")
    unit_price = models.DecimalField(max_digits=PRICE_DIGITS, decimal_places=PRICE_DECIMALS)
    unit_size = models.PositiveIntegerField()
    records = models.BigIntegerField(help_text="Usage records in this line.")
    quantity = models.DecimalField(max_digits=30, decimal_places=0)
    amount = _amount()
    correction = models.CharField(
        max_length=12, choices=Correction.choices, default=Correction.NONE, blank=True
    )
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, db_index=False, related_name="corrections"
    )
    rerating = models.ForeignKey(
        "Rerating", on_delete=models.PROTECT, null=True, db_index=False, related_name="lines"
    )

    package = models.ForeignKey(
        QuotaPackage,
        on_delete=models.PROTECT,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="The package that covers the usage, which costs nothing.",
    )

    class Meta:
        ordering = ("usage_hour", "billing_item", "price_id", "id")
        indexes = (
            models.Index(
                fields=["corrects"], condition=Q(corrects__isnull=False), name="corrections_of_a_line"
            ),
            models.Index(
                fields=["package"], condition=Q(package__isnull=False), name="lines_covered_by_a_package"
            ),
            models.Index(
                fields=["rerating"], condition=Q(rerating__isnull=False), name="lines_of_a_rerating"
            ),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("bill", "billing_item", "price", "usage_hour", "correction", "corrects", "package"),
                nulls_distinct=False,
                name="a_bill_has_one_line_per_item_price_hour_correction_and_package",
            ),
            models.CheckConstraint(
                condition=Q(package=None) | Q(unit_price=0, rerating=None),
                name="usage_that_a_package_covers_costs_nothing",
            ),
            models.CheckConstraint(condition=_is_an_amount(), name="a_line_amount_is_a_number"),
            models.CheckConstraint(
                condition=Q(quantity__gte=0, quantity__lt=AMOUNT_BOUND)
                & Q(correction__in=(Correction.NONE, Correction.REBILLED))
                | Q(quantity__lte=0, quantity__gt=-AMOUNT_BOUND)
                & Q(correction__in=(Correction.REVERSAL, Correction.CREDITED)),
                name="a_line_quantity_is_taken_back_only_by_a_correction",
            ),
            models.CheckConstraint(
                condition=Q(correction=Correction.NONE, corrects__isnull=True)
                | ~Q(correction=Correction.NONE) & Q(corrects__isnull=False),
                name="a_correction_names_the_line_that_it_corrects",
            ),
            models.CheckConstraint(
                condition=Q(rerating__isnull=False, correction__in=(Correction.CREDITED, Correction.REBILLED))
                | Q(rerating__isnull=True, correction__in=(Correction.NONE, Correction.REVERSAL)),
                name="a_line_names_the_rerating_that_made_it",
            ),
            models.CheckConstraint(
                condition=Q(Exact(F("amount") * F("unit_size"), F("quantity") * F("unit_price"))),
                name="a_line_amount_is_quantity_times_unit_price",
            ),
            models.CheckConstraint(
                condition=Q(unit_size__in=list(UNIT_SIZES)), name="a_line_unit_size_is_a_power_of_ten"
            ),
            models.CheckConstraint(
                condition=Q(records__gte=1, rerating__isnull=True) | Q(records=0, rerating__isnull=False),
                name="a_line_bills_records_unless_it_rates_them_anew",
            ),
            models.CheckConstraint(condition=Q(whole_hour("usage_hour")), name="a_lines_usage_hour_is_whole"),
        )

    def __str__(self) -> str:
        return f"{self.service_name}: {gettext(self.get_measure_display())}"

    @property
    def unit(self) -> str:
        """What the unit price is for, e.g. `thousand tokens`."""
        return unit_text(measure=Measure(self.measure), unit_size=self.unit_size)

    @property
    def is_late(self) -> bool:
        """Whether it charges for usage that came after its own hour was closed."""
        return not self.correction and self.usage_hour != self.bill.hour_id

    @property
    def is_free_trial(self) -> bool:
        """Whether it costs nothing because of a free trial; a re-rating may charge for one all the same."""
        return self.price_kind == Kind.FREE_TRIAL and not self.unit_price and self.package_id is None


class Rerating(models.Model):
    """What was charged at a price for usage in a span of hours is charged at another price instead."""

    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, related_name="reratings", help_text=_("The price that was wrong.")
    )
    from_hour = models.DateTimeField("from", help_text="UTC; the first hour of usage.")
    until_hour = models.DateTimeField("until", help_text="UTC; the first hour of usage that is not meant.")
    unit_price = models.DecimalField(
        "corrected unit price (RMB)",
        max_digits=PRICE_DIGITS,
        decimal_places=PRICE_DECIMALS,
        validators=[validate_unit_price],
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
        help_text="Only for this customer; empty: for everybody who was charged at the price.",
    )
    reason = models.CharField(max_length=LONGEST_REASON)
    ordered_by = models.CharField(max_length=254)
    ordered_at = models.DateTimeField()
    billing_hour = models.DateTimeField(help_text="The hour on whose bills the corrections are.")

    class Meta:
        ordering = ("-ordered_at", "-id")
        verbose_name = "re-rating"
        constraints = (
            models.CheckConstraint(condition=~Q(reason=""), name="a_rerating_has_a_reason"),
            models.CheckConstraint(
                condition=Q(unit_price__gte=0, unit_price__lt=PRICE_BOUND),
                name="a_corrected_unit_price_is_between_0_and_a_million",
            ),
            models.CheckConstraint(
                condition=Q(whole_hour("from_hour")) & Q(whole_hour("until_hour")),
                name="a_rerating_spans_whole_hours",
            ),
            models.CheckConstraint(
                condition=Q(from_hour__lt=F("until_hour"), until_hour__lte=F("billing_hour")),
                name="a_rerating_spans_closed_hours",
            ),
            ExclusionConstraint(
                name="reratings_of_a_price_on_the_same_bills_do_not_overlap",
                expressions=[
                    # A range that holds this number alone: equality for GiST without an extension.
                    (
                        Func(
                            F("price"),
                            F("price"),
                            Value("[]"),
                            function="INT8RANGE",
                            output_field=BigIntegerRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    (_range("billing_hour", "billing_hour", "[]"), RangeOperators.OVERLAPS),
                    (_range("from_hour", "until_hour"), RangeOperators.OVERLAPS),
                    # Without a customer it is the range of all numbers, which overlaps every customer's.
                    (
                        Func(
                            F("customer"),
                            F("customer"),
                            Value("[]"),
                            function="INT8RANGE",
                            output_field=BigIntegerRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                violation_error_message=_("Another re-rating of this price waits for the same bills."),
            ),
        )

    def __str__(self) -> str:
        words = {
            "price": self.price,
            "unit_price": f"{self.unit_price.normalize():f}",
            "customer": self.customer,
        }
        if self.customer:
            return gettext("%(price)s, re-rated at %(unit_price)s RMB for %(customer)s") % words
        return gettext("%(price)s, re-rated at %(unit_price)s RMB") % words


class PackagePurchase(models.Model):
    """The document of a quota package that was bought; names and prices are copies."""

    package = models.OneToOneField(
        QuotaPackage, on_delete=models.PROTECT, primary_key=True, related_name="purchase"
    )
    order_id = models.UUIDField(help_text="By which the same order that is sent twice is one.")
    customer_code = models.CharField(max_length=64)
    customer_name = models.CharField(max_length=200)
    services = models.TextField(help_text="The names of the services that it covers.")
    list_price = models.DecimalField(max_digits=12, decimal_places=2)
    price = models.DecimalField(max_digits=12, decimal_places=2, help_text="Of one, in RMB.")
    quantity = models.PositiveIntegerField(help_text="Units times the days or months; 1 of a Tokens package.")
    amount = models.DecimalField("amount (RMB)", max_digits=20, decimal_places=2)
    bought_at = models.DateTimeField()
    bought_by = models.CharField(max_length=254)

    class Meta:
        ordering = ("-bought_at", "-package_id")
        constraints = (
            models.UniqueConstraint("order_id", name="an_order_is_one_purchase"),
            models.CheckConstraint(
                condition=Q(price__gte=0, price__lte=F("list_price"), quantity__gte=1)
                & Q(Exact(F("amount"), F("price") * F("quantity"))),
                name="a_purchase_costs_its_price_times_its_quantity",
            ),
        )

    def __str__(self) -> str:
        return str(self.package)


# Of draws: those that used their package up. What is left of less than one token's weight lapses.
USED_UP = Q(is_return=False) & (Q(left=0) | Q(ran_out_at__isnull=False))


class PackageDraw(models.Model):
    """What an hourly bill drew from a Tokens package, or gave back to it for reversed calls.

    There is a draw, perhaps of 0, for each package that covers calls of the bill or ran out on it.
    Where the package ran out within the hour, the calls before `ran_out_at` and `ran_out_event_id` are
    covered; of that very call what comes before `ran_out_measure`, and `ran_out_quantity` of that.
    """

    package = models.ForeignKey(QuotaPackage, on_delete=models.PROTECT, db_index=False, related_name="draws")
    bill = models.ForeignKey(HourlyBill, on_delete=models.PROTECT, related_name="draws")
    is_return = models.BooleanField(default=False)
    tokens = models.DecimalField(max_digits=30, decimal_places=DRAW_PLACES, help_text="Drawn or given back.")
    left_before = models.DecimalField(max_digits=30, decimal_places=DRAW_PLACES)
    left = models.DecimalField(max_digits=30, decimal_places=DRAW_PLACES)
    ran_out_at = models.DateTimeField(null=True)
    ran_out_event_id = models.CharField(max_length=255, null=True, db_collation="C")  # noqa: DJ001
    ran_out_measure = models.CharField(max_length=32, blank=True, choices=Measure.choices())
    ran_out_quantity = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("package", "id")
        # Pages by key, and the latest: without it PostgreSQL would look for those among all packages' draws.
        indexes = (
            models.Index(fields=["package", "id"], name="draws_of_a_package"),
            models.Index(fields=["package"], condition=USED_UP, name="draws_that_used_a_package_up"),
        )
        constraints = (
            models.UniqueConstraint(
                "package", "bill", "is_return", name="a_bill_draws_once_from_a_package_and_gives_back_once"
            ),
            models.CheckConstraint(
                condition=Q(tokens__gte=0, left__gte=0)
                & (
                    Q(Exact(F("left"), F("left_before") - F("tokens")), is_return=False)
                    | Q(Exact(F("left"), F("left_before") + F("tokens")), is_return=True)
                ),
                name="a_draw_leaves_what_there_was_without_it_and_never_less_than_0",
            ),
            models.CheckConstraint(
                condition=Q(ran_out_at=None, ran_out_event_id=None, ran_out_measure="", ran_out_quantity=0)
                | Q(
                    ran_out_at__isnull=False,
                    ran_out_event_id__isnull=False,
                    ran_out_quantity__gte=0,
                    is_return=False,
                )
                & ~Q(ran_out_measure=""),
                name="a_draw_says_where_its_package_ran_out",
            ),
        )

    def __str__(self) -> str:
        return f"{self.package}: {self.tokens.normalize():f}"


class QuotaOverrun(models.Model):
    """A minute in which a customer used more tokens of a service than the TPM that it had bought."""

    bill = models.ForeignKey(HourlyBill, on_delete=models.PROTECT, related_name="overruns")
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="+")
    minute = models.DateTimeField()
    tokens = models.DecimalField(max_digits=30, decimal_places=0)
    bought = models.BigIntegerField(help_text="The TPM in force.")

    class Meta:
        ordering = ("minute", "service")
        indexes = (models.Index(fields=["minute"], name="overruns_by_minute"),)
        constraints = (
            models.UniqueConstraint("bill", "service", "minute", name="a_bill_states_an_overrun_once"),
            models.CheckConstraint(
                condition=Q(tokens__gt=F("bought")), name="an_overrun_is_more_than_was_bought"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service} {self.minute:%Y-%m-%d %H:%M} UTC"


class NoticeKind(models.TextChoices):
    """What a notice about a package says; pages translate the labels."""

    # xgettext:no-python-format
    USED_80 = "used_80", gettext_noop("80 % used")
    USED_100 = "used_100", gettext_noop("used up")
    EXPIRES_7 = "expires_7", gettext_noop("expires within 7 days")
    EXPIRES_3 = "expires_3", gettext_noop("expires within 3 days")
    EXPIRES_1 = "expires_1", gettext_noop("expires within a day")
    RENEWED = "renewed", gettext_noop("renewed")
    NOT_RENEWED = "not_renewed", gettext_noop("not renewed")


class PackageNotice(models.Model):
    """What a customer is told about a package, once: by mail, and on pages until it is dismissed or over."""

    package = models.ForeignKey(
        QuotaPackage, on_delete=models.PROTECT, db_index=False, related_name="notices"
    )
    kind = models.CharField(max_length=12, choices=NoticeKind.choices)
    created_at = models.DateTimeField()
    shown_until = models.DateTimeField(help_text="When it is over.")
    mail_after = models.DateTimeField(help_text="Later than it was created where the mail could not be sent.")
    mailed_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.CharField(max_length=254, blank=True, default="")

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=["mail_after"], condition=Q(mailed_at=None, dismissed_at=None), name="notices_to_mail"
            ),
        )
        constraints = (
            models.UniqueConstraint("package", "kind", name="a_package_has_one_notice_of_a_kind"),
            models.CheckConstraint(
                condition=Q(kind__in=NoticeKind.values), name="a_notice_is_of_a_known_kind"
            ),
            models.CheckConstraint(
                condition=Q(dismissed_at=None, dismissed_by="")
                | Q(dismissed_at__isnull=False) & ~Q(dismissed_by=""),
                name="a_notice_names_the_person_that_dismissed_it",
            ),
        )

    def __str__(self) -> str:
        return f"{self.package}: {gettext(self.get_kind_display())}"


class PackageRenewal(models.Model):
    """Whether the same product is bought again when a package ends, by whose order, and what came of it."""

    package = models.OneToOneField(QuotaPackage, on_delete=models.PROTECT, related_name="renewal")
    is_on = models.BooleanField()
    ordered_by = models.CharField(max_length=254)
    ordered_at = models.DateTimeField()
    renewed_by = models.OneToOneField(
        QuotaPackage,
        on_delete=models.PROTECT,
        null=True,
        related_name="renews",
        help_text="The next package.",
    )
    refused_at = models.DateTimeField(null=True)
    refused_because = models.TextField(blank=True, default="")

    class Meta:
        ordering = ("package",)
        constraints = (
            models.CheckConstraint(
                condition=Q(refused_at=None, refused_because="")
                | Q(refused_at__isnull=False) & ~Q(refused_because=""),
                name="a_renewal_is_refused_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(renewed_by=None, refused_at=None)
                | Q(renewed_by=None, is_on=True)
                | Q(refused_at=None, is_on=True),
                name="a_renewal_is_carried_out_or_refused_only_if_it_is_on",
            ),
            models.CheckConstraint(
                condition=Q(renewed_by=None) | ~Q(renewed_by=F("package")),
                name="a_package_does_not_renew_itself",
            ),
        )

    def __str__(self) -> str:
        return f"{self.package}: {gettext('on') if self.is_on else gettext('off')}"

    @property
    def is_past(self) -> bool:
        """Whether it was carried out or refused, after which it stays as it is."""
        return self.renewed_by_id is not None or self.refused_at is not None

    @property
    def is_due_later(self) -> bool:
        """Whether it is on and still to be carried out."""
        return self.is_on and not self.is_past


class PackageRefund(models.Model):
    """The order to end a package and to credit what is left of it, carried out by the closing of an hour."""

    package = models.OneToOneField(
        QuotaPackage, on_delete=models.PROTECT, primary_key=True, related_name="refund"
    )
    ordered_by = models.CharField(max_length=254)
    ordered_at = models.DateTimeField()
    billing_hour = models.DateTimeField(help_text="The hour with whose closing the credit is issued.")
    ends_at = models.DateTimeField(help_text="When the package ends.")
    left = models.PositiveIntegerField(
        null=True,
        help_text="Of a TPM package: the units times the days or months that are refunded. "
        "Of a Tokens package the closing tells.",
    )

    class Meta:
        ordering = ("package",)
        indexes = (models.Index(fields=["billing_hour"], name="refunds_by_billing_hour"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(whole_hour("billing_hour")) & Q(whole_hour("ends_at")),
                name="a_refund_is_carried_out_at_full_hours",
            ),
            models.CheckConstraint(
                condition=Q(billing_hour__lt=F("ends_at")), name="a_refunded_package_ends_after_its_last_draw"
            ),
        )

    def __str__(self) -> str:
        return gettext("%(package)s, refunded") % {"package": self.package}


class PackageCredit(models.Model):
    """The document of a refund: what was left of a package, and what is credited for it."""

    package = models.OneToOneField(
        QuotaPackage, on_delete=models.PROTECT, primary_key=True, related_name="credit"
    )
    sealed_in = models.ForeignKey(
        BillingHour,
        on_delete=models.PROTECT,
        related_name="credits",
        help_text="The hour with whose closing it was issued.",
    )
    number = models.CharField(max_length=100)
    customer_code = models.CharField(max_length=64)
    customer_name = models.CharField(max_length=200)
    product_name = models.CharField(max_length=100)
    paid = models.DecimalField("paid (RMB)", max_digits=20, decimal_places=2)
    quantity = models.BigIntegerField(help_text="What was bought: tokens, or units times the days or months.")
    left = models.DecimalField(max_digits=30, decimal_places=DRAW_PLACES, help_text="Of that quantity.")
    amount = models.DecimalField("exact amount (RMB)", max_digits=30, decimal_places=CREDIT_DECIMALS)
    credited = models.DecimalField("credited (RMB)", max_digits=20, decimal_places=2)
    ends_at = models.DateTimeField(help_text="When the package ends.")
    ordered_by = models.CharField(max_length=254)
    issued_at = models.DateTimeField()

    class Meta:
        ordering = ("-sealed_in", "number")
        constraints = (
            models.UniqueConstraint("number", name="a_credit_number_names_one_credit"),
            models.CheckConstraint(
                condition=Q(left__gte=0, left__lte=F("quantity"), quantity__gte=1, paid__gte=0),
                name="a_credit_is_for_no_more_than_was_bought",
            ),
            models.CheckConstraint(
                condition=Q(
                    LessThanOrEqual(F("amount") * F("quantity"), F("paid") * F("left")),
                    GreaterThan(
                        (F("amount") + Value(Decimal(1).scaleb(-CREDIT_DECIMALS))) * F("quantity"),
                        F("paid") * F("left"),
                    ),
                ),
                name="a_credit_is_the_share_of_the_price_that_is_left_cut_off",
            ),
            models.CheckConstraint(
                condition=Q(
                    Exact(
                        F("credited"),
                        Func(F("amount"), Value(2), function="TRUNC", output_field=models.DecimalField()),
                    )
                ),
                name="a_credit_is_cut_off_to_the_fen",
            ),
        )

    def __str__(self) -> str:
        return self.number


class ParkedHour(models.Model):
    """A customer's hour that was closed without a bill, because its bill looks wrong."""

    # Without a database constraint: the customer of a parked record may be unknown.
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    hour = models.ForeignKey(BillingHour, on_delete=models.PROTECT, related_name="parked")
    reason = models.TextField(help_text="What looks wrong.")
    records = models.BigIntegerField(help_text="Usage records that wait.")
    amount = models.DecimalField(
        "amount (RMB)",
        max_digits=50,
        decimal_places=AMOUNT_DECIMALS,
        help_text="What the bill would come to, as far as it can be told.",
    )
    parked_at = models.DateTimeField()

    class Meta:
        ordering = ("-hour_id", "customer_id")
        constraints = (
            models.UniqueConstraint("customer", "hour", name="a_customers_hour_is_parked_once"),
            models.CheckConstraint(condition=~Q(reason=""), name="an_hour_is_parked_for_a_reason"),
            models.CheckConstraint(condition=_is_an_amount(), name="a_parked_amount_is_a_number"),
        )

    def __str__(self) -> str:
        return f"{self.hour_id:%Y-%m-%d %H:%M} UTC"


class Release(models.Model):
    """The order to bill a parked hour, carried out by the next closing."""

    parked = models.OneToOneField(ParkedHour, on_delete=models.PROTECT, related_name="release")
    reason = models.CharField(max_length=LONGEST_REASON)
    released_by = models.CharField(max_length=254)
    released_at = models.DateTimeField()
    billing_hour = models.DateTimeField(help_text="The hour with whose closing the bill is issued.")

    class Meta:
        ordering = ("-released_at",)
        constraints = (models.CheckConstraint(condition=~Q(reason=""), name="a_release_has_a_reason"),)

    def __str__(self) -> str:
        return gettext("%(hour)s, released") % {"hour": self.parked}


class OpenHourAlarm(models.Model):
    """A customer's open hour that would be parked as it stands; raised and mailed once."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="+")
    hour = models.DateTimeField()
    reason = models.TextField(help_text="What looked wrong when it was raised.")
    amount = models.DecimalField(
        "amount so far (RMB)", max_digits=50, decimal_places=AMOUNT_DECIMALS, help_text="At the last look."
    )
    raised_at = models.DateTimeField()
    mail_after = models.DateTimeField(help_text="Later than it was raised where the mail could not be sent.")
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-hour", "-amount", "customer_id")
        constraints = (
            models.UniqueConstraint(
                fields=("hour", "customer"), name="an_open_hour_of_a_customer_alarms_once"
            ),
            models.CheckConstraint(condition=Q(whole_hour("hour")), name="an_alarm_is_of_a_whole_hour"),
            models.CheckConstraint(condition=~Q(reason=""), name="an_open_hour_alarms_for_a_reason"),
            models.CheckConstraint(condition=_is_an_amount(), name="an_alarms_amount_is_a_number"),
        )

    def __str__(self) -> str:
        return f"{self.customer}, {self.hour:%Y-%m-%d %H:%M} UTC"


class CanaryProblem(models.TextChoices):
    """What is wrong with the bill of a canary customer."""

    LATE = "late"
    WRONG = "wrong"


class CanaryHour(models.Model):
    """The calls that were posted for a canary customer in an hour, and how their bill compares.

    `calls` are reports as posted, without the customer; `checked_at` is null until they are billed.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="+")
    hour = models.DateTimeField()
    calls = models.JSONField()
    posted_at = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    expected = models.DecimalField(max_digits=50, decimal_places=AMOUNT_DECIMALS, null=True)
    billed = models.DecimalField(max_digits=50, decimal_places=AMOUNT_DECIMALS, null=True)
    problem = models.CharField(max_length=8, choices=CanaryProblem.choices, blank=True, default="")
    mail_after = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-hour", "customer_id")
        constraints = (
            models.UniqueConstraint(
                fields=("hour", "customer"), name="a_canary_customer_is_posted_for_once_an_hour"
            ),
            models.CheckConstraint(condition=Q(whole_hour("hour")), name="a_canary_is_of_a_whole_hour"),
            models.CheckConstraint(
                condition=Q(checked_at__isnull=True)
                | Q(posted_at__isnull=False, expected__isnull=False, billed__isnull=False),
                name="a_checked_canary_was_posted_and_has_both_amounts",
            ),
            models.CheckConstraint(
                condition=~Q(problem=CanaryProblem.WRONG) | Q(checked_at__isnull=False),
                name="a_canary_is_wrong_only_once_it_is_checked",
            ),
        )

    def __str__(self) -> str:
        return f"{self.customer}, {self.hour:%Y-%m-%d %H:%M} UTC"


class RunningHour(models.Model):
    """What a customer's open hour with many records or a large amount came to when it was last summed up."""

    pk = models.CompositePrimaryKey("customer_id", "hour")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="+")
    hour = models.DateTimeField()
    as_of = models.DateTimeField()
    calls = models.BigIntegerField()
    reversals = models.BigIntegerField()
    amount = _amount()
    charges = models.JSONField(help_text="The charges, in their order.")

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(whole_hour("hour")), name="a_running_hour_is_whole"),
            models.CheckConstraint(
                condition=Q(calls__gte=0, reversals__gte=0), name="a_running_hour_has_no_less_than_no_calls"
            ),
            models.CheckConstraint(condition=_is_an_amount(), name="a_running_amount_is_a_number"),
        )

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} UTC so far"


class RunningRefresh(models.Model):
    """When running hours were last summed up, and how long that took; at most one row."""

    is_only = models.BooleanField(primary_key=True, default=True)
    began_at = models.DateTimeField()
    took = models.DurationField()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(is_only=True), name="running_hours_are_summed_up_together"),
        )

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M:%S} UTC, {self.took}"


class MetadataUsage(models.Model):
    """What calls with a value in their metadata have of a charge line; others of so many values are ''."""

    line = models.ForeignKey(ChargeLine, on_delete=models.PROTECT, db_index=False, related_name="shares")
    # Copies, by which pages look it up.
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="+")
    hour = models.DateTimeField()
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    billing_item = models.ForeignKey(
        BillingItem, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    name = models.CharField(max_length=64)
    value = models.CharField(max_length=255)
    calls = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=30, decimal_places=0)
    amount = _amount()

    class Meta:
        indexes = (models.Index(fields=["customer", "name", "hour"], name="usage_by_metadata"),)
        constraints = (
            models.UniqueConstraint("line", "name", "value", name="a_value_has_one_share_of_a_line"),
            models.CheckConstraint(condition=_is_an_amount(), name="a_shares_amount_is_a_number"),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


class MetadataSum(models.Model):
    """That the bills sealed in an hour are summed up by metadata."""

    hour = models.OneToOneField(BillingHour, on_delete=models.PROTECT, primary_key=True, related_name="+")
    summed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.hour_id:%Y-%m-%d %H:%M} UTC"


class HourSeal(models.Model):
    """The totals of what a closing made and the SHA-256 over it, chained to the seal before."""

    hour = models.OneToOneField(BillingHour, on_delete=models.PROTECT, primary_key=True, related_name="seal")
    sha256 = models.BinaryField(max_length=32)
    bills = models.BigIntegerField()
    lines = models.BigIntegerField()
    records = models.BigIntegerField()
    parked = models.BigIntegerField(default=0, help_text="Customers whose hour was parked.")
    amount = _amount()

    class Meta:
        ordering = ("-hour",)
        constraints = (
            models.CheckConstraint(condition=_is_an_amount(), name="a_seal_amount_is_a_number"),
            models.CheckConstraint(condition=Q(Exact(Length("sha256"), 32)), name="a_seal_is_a_sha_256"),
        )

    def __str__(self) -> str:
        return bytes(self.sha256).hex()


class SealPublication(models.Model):
    """How far the seals of hours are kept in a place outside the database."""

    place = models.TextField(primary_key=True, help_text="A file, or the class of an object store.")
    last_hour = models.DateTimeField(null=True, help_text="The last hour of which the seal is kept there.")
    failed_since = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(error="", failed_since=None) | (~Q(error="") & Q(failed_since__isnull=False)),
                name="a_publication_that_fails_says_since_when_and_why",
            ),
        )

    def __str__(self) -> str:
        return self.place


class TotalPeriod(models.TextChoices):
    """The span of a customer's total."""

    DAY = "day", "day"
    MONTH = "month", "month"


class CustomerTotal(models.Model):
    """What a customer was billed in a day or a month: the sum of the bills issued with its closings.

    Kept by each closing in its own transaction, so that no page sums bills. Days and months are those of
    Asia/Shanghai; an hour belongs to the day in which it begins.
    """

    pk = models.CompositePrimaryKey("period", "begins_on", "customer_id")
    period = models.CharField(max_length=5, choices=TotalPeriod.choices)
    begins_on = models.DateField()
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="+")
    bills = models.BigIntegerField()
    amount = _amount()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(period__in=TotalPeriod.values), name="a_total_is_of_a_day_or_a_month"
            ),
            models.CheckConstraint(condition=Q(bills__gte=1), name="a_total_sums_at_least_one_bill"),
            models.CheckConstraint(condition=_is_an_amount(), name="a_total_amount_is_a_number"),
        )

    def __str__(self) -> str:
        return f"{self.customer}, {self.get_period_display()} from {self.begins_on}"


class Verification(models.Model):
    """The result of computing closed hours once more from raw records."""

    verified_at = models.DateTimeField()
    from_hour = models.DateTimeField("from", help_text="UTC; the first hour that was verified.")
    until_hour = models.DateTimeField("until", help_text="UTC; the end of the last one.")
    took = models.DurationField()
    hours = models.BigIntegerField()
    records = models.BigIntegerField()
    bills = models.BigIntegerField()
    lines = models.BigIntegerField()
    findings = models.BigIntegerField()
    first_findings = models.JSONField(default=list)
    seal = models.BinaryField(
        max_length=32, null=True, help_text="The seal of the last hour, as it was read."
    )

    class Meta:
        ordering = ("-verified_at", "-id")
        get_latest_by = ("verified_at", "id")
        constraints = (
            models.CheckConstraint(
                condition=Q(whole_hour("from_hour")) & Q(whole_hour("until_hour")),
                name="a_verification_spans_whole_hours",
            ),
            models.CheckConstraint(
                condition=Q(from_hour__lt=F("until_hour")), name="a_verification_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(hours__gte=1, records__gte=0, bills__gte=0, lines__gte=0, findings__gte=0),
                name="a_verification_verifies_at_least_one_hour",
            ),
        )

    def __str__(self) -> str:
        words = {"first": f"{self.from_hour:%Y-%m-%d %H:%M}", "last": f"{self.until_hour:%Y-%m-%d %H:%M}"}
        return gettext("%(first)s to %(last)s UTC") % words

    @property
    def summary(self) -> str:
        """The result in one line, for logs."""
        return (
            f"{self}: {self.hours:,} hours, {self.records:,} records, {self.bills:,} bills, "
            f"{self.lines:,} lines, {self.findings or 'no'} findings, in {self.took.total_seconds():.3f} s"
        )


STATEMENT_DIGITS = 8
EINVOICE_REMARKS = 200  # characters; an e-invoice of China holds 230


class Statement(models.Model):
    """What a customer is to pay for a month: its hourly bills, package purchases and credits; all is a copy.

    Its bills are those that were issued with closings of hours from `begins_at` to `ends_at`, so a bill that
    was parked is on the statement of the month in which it was released.
    """

    sequence = models.BigIntegerField(primary_key=True)
    number = models.GeneratedField(
        expression=Concat(
            Value("S"),
            LPad(Cast("sequence", models.CharField()), STATEMENT_DIGITS, Value("0")),
        ),
        output_field=models.CharField(max_length=20),
        db_persist=True,
    )
    previous = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="That of the number before: so none is left out.",
    )
    corrects = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="corrected_by",
        help_text="The statement of the same amounts that it supersedes.",
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="statements"
    )
    month = models.DateField(help_text="Its first day.")
    time_zone = models.CharField(max_length=64)
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    customer_code = models.CharField(max_length=64)
    customer_name = models.CharField(max_length=200)
    buyer_name = models.CharField(max_length=200)
    buyer_tax_id = models.CharField(max_length=100, blank=True)
    buyer_address = models.TextField(blank=True)
    buyer_email = models.CharField(max_length=254, blank=True)
    seller_name = models.TextField()
    seller_tax_id = models.TextField(blank=True)
    seller_address = models.TextField(blank=True)
    seller_email = models.TextField(blank=True)
    bills = models.BigIntegerField()
    usage_amount = models.DecimalField(max_digits=50, decimal_places=AMOUNT_DECIMALS)
    purchases_amount = models.DecimalField(max_digits=20, decimal_places=2)
    credits_amount = models.DecimalField(max_digits=20, decimal_places=2)
    adjustments_amount = models.DecimalField(
        max_digits=50,
        decimal_places=ADJUSTMENT_DECIMALS,
        default=0,
        db_default=0,
        help_text="Charges by hand less credits by hand.",
    )
    amount = models.DecimalField("exact amount (RMB)", max_digits=50, decimal_places=ADJUSTMENT_DECIMALS)
    payable = models.DecimalField("payable (RMB)", max_digits=20, decimal_places=2)
    tax_rate = models.DecimalField(max_digits=6, decimal_places=5)
    net = models.DecimalField(max_digits=20, decimal_places=2)
    tax = models.DecimalField(max_digits=20, decimal_places=2)
    issued_at = models.DateTimeField()
    issued_by = models.CharField(max_length=254, blank=True, help_text=_("Empty: the clock."))
    reason = models.TextField(blank=True, help_text=_("Why an earlier one is corrected."))

    class Meta:
        ordering = ("-sequence",)
        indexes = (models.Index(fields=["customer", "sequence"], name="statements_of_a_customer"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(sequence=1, previous=None) | Q(sequence__gt=1, previous=F("sequence") - 1),
                name="statements_are_numbered_without_a_gap",
            ),
            ExclusionConstraint(
                name="a_customers_statements_do_not_overlap",
                expressions=[
                    (
                        Func(
                            F("customer"),
                            F("customer"),
                            Value("[]"),
                            function="INT8RANGE",
                            output_field=BigIntegerRangeField(),
                        ),
                        RangeOperators.OVERLAPS,
                    ),
                    (_range("begins_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(corrects=None),
            ),
            models.CheckConstraint(
                condition=Q(begins_at__lt=F("ends_at"), bills__gte=0),
                name="a_statement_ends_after_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(
                    amount=F("usage_amount")
                    + F("purchases_amount")
                    - F("credits_amount")
                    + F("adjustments_amount")
                )
                & _is_an_amount()
                & _is_an_amount("usage_amount"),
                name="a_statement_is_the_sum_of_its_parts",
            ),
            models.CheckConstraint(
                condition=Q(
                    Exact(
                        F("payable"),
                        Func(F("amount"), Value(2), function="TRUNC", output_field=models.DecimalField()),
                    )
                ),
                name="a_statement_is_truncated_to_the_fen",
            ),
            models.CheckConstraint(
                condition=Q(payable=F("net") + F("tax"), tax_rate__gte=0, tax_rate__lt=1),
                name="a_statements_net_and_tax_are_its_payable",
            ),
            models.CheckConstraint(
                condition=Q(corrects=None, reason="") | (Q(corrects__isnull=False) & ~Q(reason="")),
                name="a_statement_is_corrected_for_a_reason",
            ),
        )

    def __str__(self) -> str:
        return str(self.number)


class AdjustmentKind(models.TextChoices):
    """Whether the customer owes less or more by an adjustment."""

    CREDIT = "credit", gettext_noop("credit")
    CHARGE = "charge", gettext_noop("charge")


class AdjustmentCause(models.TextChoices):
    """Why a credit or charge is given by hand; pages translate the labels."""

    GOODWILL = "goodwill", gettext_noop("goodwill")
    SERVICE_LEVEL = "service_level", gettext_noop("service level")
    OTHER = "other", gettext_noop("other")


class Adjustment(models.Model):
    """A credit or charge by hand, on a statement once it is approved. It is decided, and never changed.

    It may be of a statement, or of what was billed in a span of closings, all of it or of one service.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="adjustments"
    )
    key = models.CharField(
        max_length=200, help_text="By which the same adjustment that is sent twice is one."
    )
    kind = models.CharField(max_length=6, choices=AdjustmentKind.choices)
    cause = models.CharField(max_length=13, choices=AdjustmentCause.choices)
    amount = models.DecimalField("amount (RMB)", max_digits=50, decimal_places=ADJUSTMENT_DECIMALS)
    percent = models.DecimalField(max_digits=5, decimal_places=PERCENT_DECIMALS, null=True)
    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, null=True, related_name="adjustments")
    begins_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)
    service = models.ForeignKey(Service, on_delete=models.PROTECT, null=True, related_name="+")
    charged = models.DecimalField(
        max_digits=50, decimal_places=AMOUNT_DECIMALS, help_text="What the statement or the span came to."
    )
    creditable = models.DecimalField(
        max_digits=50, decimal_places=ADJUSTMENT_DECIMALS, help_text="The same less what was credited of it."
    )
    is_beyond_charges = models.BooleanField(
        "beyond what was charged", default=False, help_text=_("Whether it is more than was charged.")
    )
    reason = models.TextField()
    approval_above = models.DecimalField(
        max_digits=20,
        decimal_places=2,
        null=True,
        help_text="The setting when it was proposed; empty: no second person.",
    )
    proposed_by = models.CharField(max_length=254)
    proposed_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default=Decision.NONE)
    decided_by = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        permissions = (("approve_adjustment", gettext_noop("Can approve credits and charges by hand")),)
        indexes = (
            models.Index(fields=["customer", "decided_at"], name="adjustments_of_a_customer"),
            models.Index(fields=["id"], condition=Q(decision=""), name="adjustments_that_wait"),
        )
        constraints = (
            models.UniqueConstraint("key", name="a_key_is_one_adjustment"),
            models.CheckConstraint(
                condition=Q(kind__in=AdjustmentKind.values, cause__in=AdjustmentCause.values),
                name="an_adjustment_is_of_a_known_kind_and_cause",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0) & _is_an_amount(), name="an_adjustment_has_an_amount"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="an_adjustment_has_a_reason"),
            models.CheckConstraint(
                condition=Q(begins_at=None, ends_at=None, service=None)
                | Q(statement=None, begins_at__lt=F("ends_at")),
                name="an_adjustment_is_of_a_statement_or_of_a_span",
            ),
            models.CheckConstraint(
                # Not divided by 100: the database rounds what it divides.
                condition=Q(percent=None)
                | Q(
                    Q(statement__isnull=False) | Q(begins_at__isnull=False),
                    Q(Exact(F("amount") * 100, F("charged") * F("percent"))),
                    percent__gt=0,
                ),
                name="a_percentage_is_exactly_that_of_what_was_charged",
            ),
            models.CheckConstraint(
                condition=Q(kind=AdjustmentKind.CHARGE)
                | Q(is_beyond_charges=True)
                | Q(amount__lte=F("creditable")),
                name="no_more_is_credited_than_was_charged_unless_it_says_so",
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_by="", decided_at=None)
                | (~Q(decision="") & ~Q(decided_by="") & Q(decided_at__isnull=False)),
                name="a_decision_on_an_adjustment_says_by_whom_and_when",
            ),
            models.CheckConstraint(
                condition=~Q(decision=Decision.APPROVED)
                | Q(approval_above=None)
                | Q(amount__lte=F("approval_above"))
                | ~Q(decided_by=F("proposed_by")),
                name="a_large_adjustment_is_approved_by_a_second_person",
            ),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The number that documents show."""
        return f"A{self.pk:0{STATEMENT_DIGITS}d}"

    @property
    def owed(self) -> Decimal:
        """What the customer owes more by it: of a credit below 0."""
        return -self.amount if self.kind == AdjustmentKind.CREDIT else self.amount


class EInvoiceState(models.TextChoices):
    """How far a request for a tax invoice is; pages translate the labels."""

    REQUESTED = "requested", gettext_noop("requested")
    ISSUED = "issued", gettext_noop("issued")
    REFUSED = "refused", gettext_noop("refused")
    WITHDRAWN = "withdrawn", gettext_noop("withdrawn")
    REVERSED = "reversed", gettext_noop("reversed")


_WITH_INVOICE = [EInvoiceState.ISSUED, EInvoiceState.REVERSED]


class EInvoiceRequest(models.Model):
    """A request for the tax invoice of one or several statements; what names the buyer is a copy.

    Nothing of it changes but its state, and what the transition records; triggers release the statements of
    one that is refused, withdrawn or reversed.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="einvoice_requests"
    )
    kind = models.CharField("tax invoice", max_length=8, choices=InvoiceKind.choices)
    buyer_name = models.CharField(max_length=200)
    buyer_country = models.CharField(max_length=2)
    buyer_tax_id = models.CharField("buyer's tax number", max_length=50, blank=True)
    buyer_address = models.TextField(blank=True)
    buyer_phone = models.CharField(max_length=50, blank=True)
    buyer_bank = models.CharField(max_length=100, blank=True)
    buyer_account = models.CharField(max_length=60, blank=True)
    buyer_email = models.CharField("buyer's e-mail", max_length=254, blank=True)
    remarks = models.CharField(max_length=EINVOICE_REMARKS, blank=True)
    net = models.DecimalField(max_digits=20, decimal_places=2)
    tax = models.DecimalField(max_digits=20, decimal_places=2)
    payable = models.DecimalField(max_digits=20, decimal_places=2)
    state = models.CharField(max_length=9, choices=EInvoiceState.choices, default=EInvoiceState.REQUESTED)
    requested_by = models.CharField(max_length=254)
    requested_at = models.DateTimeField()
    invoice_number = models.CharField(max_length=40, blank=True)
    invoice_date = models.DateField(null=True)
    refusal = models.TextField(blank=True, help_text=_("Why it was refused."))
    decided_by = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True)
    red_number = models.CharField("red-letter invoice", max_length=40, blank=True)
    red_date = models.DateField("red-letter date", null=True)
    red_reason = models.TextField("reason of the reversal", blank=True)
    reversed_by = models.CharField(max_length=254, blank=True)
    reversed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = "e-invoice request"
        indexes = (
            models.Index(fields=["customer", "id"], name="einvoices_of_a_customer"),
            models.Index(
                fields=["id"], condition=Q(state=EInvoiceState.REQUESTED), name="einvoices_that_wait"
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=InvoiceKind.values, state__in=EInvoiceState.values),
                name="an_einvoice_is_of_a_known_kind_and_state",
            ),
            models.CheckConstraint(
                condition=~Q(kind=InvoiceKind.SPECIAL)
                | Q(buyer_country=CHINA, buyer_tax_id__regex="^[0-9A-HJ-NPQRTUWXY]{18}$"),
                name="a_special_einvoice_names_a_tax_number_of_china",
            ),
            models.CheckConstraint(
                condition=~Q(buyer_name="") & Q(payable__gt=0, payable=F("net") + F("tax")),
                name="an_einvoice_has_a_buyer_and_an_amount",
            ),
            models.CheckConstraint(
                condition=(
                    Q(state__in=_WITH_INVOICE, invoice_date__isnull=False) & ~Q(invoice_number="")
                    | (~Q(state__in=_WITH_INVOICE) & Q(invoice_number="", invoice_date=None))
                ),
                name="an_issued_einvoice_has_a_number_and_a_date",
            ),
            models.CheckConstraint(
                condition=(Q(state=EInvoiceState.REFUSED) & ~Q(refusal=""))
                | (~Q(state=EInvoiceState.REFUSED) & Q(refusal="")),
                name="an_einvoice_is_refused_for_a_reason",
            ),
            models.CheckConstraint(
                condition=Q(state=EInvoiceState.REQUESTED, decided_by="", decided_at=None)
                | (~Q(state=EInvoiceState.REQUESTED) & ~Q(decided_by="") & Q(decided_at__isnull=False)),
                name="a_decision_on_an_einvoice_says_by_whom_and_when",
            ),
            models.CheckConstraint(
                condition=(
                    Q(
                        state=EInvoiceState.REVERSED,
                        red_date__gte=F("invoice_date"),
                        reversed_at__isnull=False,
                    )
                    & ~Q(red_number="")
                    & ~Q(red_reason="")
                    & ~Q(reversed_by="")
                )
                | (
                    ~Q(state=EInvoiceState.REVERSED)
                    & Q(red_number="", red_date=None, red_reason="", reversed_by="", reversed_at=None)
                ),
                name="a_reversed_einvoice_names_its_red_letter_invoice",
            ),
            models.UniqueConstraint(
                fields=("invoice_number",),
                condition=~Q(invoice_number=""),
                name="an_invoice_number_is_of_one_request",
            ),
            models.UniqueConstraint(
                fields=("red_number",),
                condition=~Q(red_number=""),
                name="a_red_letter_number_is_of_one_request",
            ),
        )

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The number that pages and files show."""
        return f"E{self.pk:0{STATEMENT_DIGITS}d}"


class EInvoiceItem(models.Model):
    """A statement on a request for a tax invoice: on one at a time, its corrected successors included."""

    request = models.ForeignKey(
        EInvoiceRequest, on_delete=models.PROTECT, db_index=False, related_name="items"
    )
    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, related_name="einvoice_items")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, db_index=False, related_name="+")
    begins_at = models.DateTimeField(
        help_text="Of the statement's span, which one that corrects it has as well."
    )
    is_released = models.BooleanField(
        default=False, db_default=False, help_text="The request was refused, withdrawn or reversed."
    )

    class Meta:
        ordering = ("statement_id",)
        verbose_name = "e-invoice item"
        constraints = (
            models.UniqueConstraint(
                fields=("customer", "begins_at"),
                condition=Q(is_released=False),
                name="a_statement_stands_on_one_live_einvoice",
            ),
            models.UniqueConstraint("request", "statement", name="an_einvoice_has_a_statement_once"),
        )

    def __str__(self) -> str:
        return f"{self.request_id}, {self.statement_id}"


class TransactionKind(models.TextChoices):
    """What an account transaction is; pages translate the labels."""

    STATEMENT = "statement", gettext_noop("statement")
    PAYMENT = "payment", gettext_noop("payment")
    REFUND = "refund", gettext_noop("refund")
    CREDIT = "credit", gettext_noop("credit")
    CHARGE = "charge", gettext_noop("charge")
    WRITE_OFF = "write_off", gettext_noop("write-off")
    # Money that a payment provider takes back after a dispute, and gives back if that is won.
    CHARGEBACK = "chargeback", gettext_noop("chargeback")
    CHARGEBACK_REVERSAL = "chargeback_reversal", gettext_noop("chargeback reversal")


class LedgerAccount(models.TextChoices):
    """An account of the books; each transaction has entries on two or more of them."""

    RECEIVABLE = "receivable", gettext_noop("owed by the customer")
    SALES = "sales", gettext_noop("sales")
    BANK = "bank", gettext_noop("bank")
    ALLOWANCES = "allowances", gettext_noop("credits and charges by hand")
    BAD_DEBT = "bad_debt", gettext_noop("written off")


class AccountTransaction(models.Model):
    """A booking on a customer's account."""

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="account_transactions"
    )
    kind = models.CharField(max_length=19, choices=TransactionKind.choices)
    key = models.CharField(
        max_length=200, help_text="By which the same transaction that is sent twice is one."
    )
    at = models.DateTimeField(help_text="When it was booked.")
    value_date = models.DateField(help_text=_("Of a payment or refund when the money came or went."))
    reference = models.CharField(max_length=200, help_text=_("A statement's number, or the bank's text."))
    reason = models.TextField(blank=True)
    by = models.CharField(max_length=254, blank=True, help_text=_("Empty: the clock."))
    statement = models.OneToOneField(
        Statement, on_delete=models.PROTECT, null=True, related_name="transaction"
    )
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="reversed_by", help_text="Booked in error."
    )

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["customer", "id"], name="transactions_of_a_customer"),)
        constraints = (
            models.UniqueConstraint("kind", "key", name="a_key_is_one_transaction"),
            models.CheckConstraint(
                condition=Q(kind__in=TransactionKind.values), name="a_transaction_is_of_a_known_kind"
            ),
            models.CheckConstraint(
                condition=Q(kind=TransactionKind.STATEMENT, statement__isnull=False)
                | (~Q(kind=TransactionKind.STATEMENT) & Q(statement=None)),
                name="a_statement_is_booked_as_one",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[TransactionKind.STATEMENT, TransactionKind.PAYMENT]) | ~Q(reason=""),
                name="what_people_book_beside_payments_has_a_reason",
            ),
        )

    def __str__(self) -> str:
        return f"{gettext(self.get_kind_display())} {self.reference}"


class AccountEntry(models.Model):
    """One side of a transaction, in RMB to the fen; the entries of a transaction add up to zero.

    On RECEIVABLE, what the customer owes more is positive, what it owes less negative.
    """

    transaction = models.ForeignKey(AccountTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=10, choices=LedgerAccount.choices)
    amount = models.DecimalField("amount (RMB)", max_digits=20, decimal_places=2)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                "transaction", "account", name="a_transaction_has_one_entry_on_an_account"
            ),
            models.CheckConstraint(
                condition=Q(account__in=LedgerAccount.values), name="an_entry_is_on_a_known_account"
            ),
            models.CheckConstraint(condition=~Q(amount=0) & _is_an_amount(), name="an_entry_has_an_amount"),
        )

    def __str__(self) -> str:
        return f"{self.get_account_display()}: {self.amount}"


class BankImport(models.Model):
    """An import of payments from a bank's file."""

    file_name = models.CharField(max_length=200)
    file_digest = models.CharField(max_length=64, help_text=_("SHA-256 of the file."))
    rows = models.PositiveIntegerField(help_text=_("Bookings in the file."))
    payments = models.PositiveIntegerField(help_text=_("Those that were booked."))
    amount = models.DecimalField("amount (RMB)", max_digits=20, decimal_places=2)
    by = models.CharField(max_length=254)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(payments__gte=1, rows__gte=F("payments"), amount__gt=0),
                name="an_import_books_a_payment_or_more",
            ),
        )

    def __str__(self) -> str:
        return self.file_name


class ImportedPayment(models.Model):
    """By which line of which import a payment was booked."""

    transaction = models.OneToOneField(
        AccountTransaction, on_delete=models.PROTECT, primary_key=True, related_name="imported"
    )
    bank_import = models.ForeignKey(BankImport, on_delete=models.PROTECT, related_name="imported")
    line = models.PositiveIntegerField()

    class Meta:
        ordering = ("line",)
        constraints = (
            models.UniqueConstraint("bank_import", "line", name="a_line_of_an_import_is_one_payment"),
        )

    def __str__(self) -> str:
        return f"{self.bank_import_id}, {self.line}"


class PaymentState(models.TextChoices):
    """How far an online payment is; pages translate the labels."""

    WAITING = "waiting", gettext_noop("waiting")
    PAID = "paid", gettext_noop("paid")
    FAILED = "failed", gettext_noop("failed")
    EXPIRED = "expired", gettext_noop("expired")
    MISMATCH = "mismatch", gettext_noop("another amount came")


class OnlinePayment(models.Model):
    """A payment that a customer's person ordered, to be made at a payment provider."""

    order_id = models.UUIDField(help_text=_("By which the same order that is sent twice is one."))
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="online_payments"
    )
    statement = models.ForeignKey(
        Statement, on_delete=models.PROTECT, null=True, related_name="online_payments"
    )
    amount = models.DecimalField("amount (RMB)", max_digits=20, decimal_places=2)
    provider = models.CharField(max_length=20)
    provider_id = models.CharField(max_length=255, blank=True)
    checkout_url = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=8, choices=PaymentState.choices, default=PaymentState.WAITING)
    reference = models.CharField(max_length=100, blank=True, help_text=_("The provider's."))
    received = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    received_currency = models.CharField(max_length=10, blank=True)
    refunded = models.DecimalField("refunded (RMB)", max_digits=20, decimal_places=2, default=Decimal(0))
    transaction = models.OneToOneField(
        AccountTransaction, on_delete=models.PROTECT, null=True, related_name="online_payment"
    )
    ordered_by = models.CharField(max_length=254)
    ordered_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["customer", "id"], name="online_payments_of_a_customer"),)
        constraints = (
            models.UniqueConstraint("order_id", name="an_order_id_is_one_online_payment"),
            models.UniqueConstraint(
                fields=("provider", "provider_id"),
                condition=~Q(provider_id=""),
                name="a_checkout_is_of_one_online_payment",
            ),
            models.CheckConstraint(
                condition=Q(state=PaymentState.PAID, transaction__isnull=False)
                | (~Q(state=PaymentState.PAID) & Q(transaction=None)),
                name="an_online_payment_is_booked_when_it_is_paid",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, refunded__gte=0, refunded__lte=F("amount")),
                name="no_more_is_refunded_than_was_ordered",
            ),
            models.CheckConstraint(
                condition=Q(state__in=PaymentState.values), name="an_online_payment_has_a_known_state"
            ),
        )

    def __str__(self) -> str:
        return f"{self.ordered_at:%Y-%m-%d %H:%M}, {self.amount:,.2f}"


class DisputeState(models.TextChoices):
    """How far a dispute of a payment is; pages translate the labels."""

    NEEDS_RESPONSE = "needs_response", gettext_noop("waits for evidence")
    UNDER_REVIEW = "under_review", gettext_noop("under review")
    CLOSED = "closed", gettext_noop("closed without a decision")
    LOST = "lost", gettext_noop("lost by the seller")
    WON = "won", gettext_noop("won by the seller")


class PaymentDispute(models.Model):
    """A dispute of an online payment, as the payment provider last described it."""

    payment = models.ForeignKey(OnlinePayment, on_delete=models.PROTECT, related_name="disputes")
    dispute_id = models.CharField(max_length=255, help_text="The provider's.")
    amount = models.DecimalField("amount (RMB)", max_digits=20, decimal_places=2)
    reason = models.CharField(max_length=100, blank=True, help_text="The provider's word.")
    state = models.CharField(max_length=14, choices=DisputeState.choices)
    stated_at = models.DateTimeField(help_text="When the provider described it so.")
    evidence_by = models.DateTimeField(null=True, help_text="Until when evidence is accepted.")
    withdrawn = models.DecimalField("withdrawn (RMB)", max_digits=20, decimal_places=2, default=Decimal(0))
    reinstated = models.DecimalField("reinstated (RMB)", max_digits=20, decimal_places=2, default=Decimal(0))

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=["evidence_by"],
                condition=Q(state=DisputeState.NEEDS_RESPONSE),
                name="disputes_that_wait",
            ),
        )
        constraints = (
            models.UniqueConstraint("payment", "dispute_id", name="a_dispute_of_a_payment_is_stored_once"),
            models.CheckConstraint(
                condition=Q(state__in=DisputeState.values), name="a_dispute_has_a_known_state"
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0, withdrawn__gte=0, reinstated__gte=0) & _is_an_amount(),
                name="a_dispute_has_amounts",
            ),
        )

    def __str__(self) -> str:
        return self.dispute_id


class CallbackOutcome(models.TextChoices):
    """What a call-back has changed; pages translate the labels."""

    APPLIED = "applied", gettext_noop("applied")
    NO_CHANGE = "no_change", gettext_noop("nothing to change")
    MISMATCH = "mismatch", gettext_noop("differs from the order")
    UNKNOWN = "unknown", gettext_noop("unknown order")


class PaymentCallback(models.Model):
    """A call-back of a payment provider, and what it changed."""

    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=20)
    payment = models.ForeignKey(OnlinePayment, on_delete=models.PROTECT, null=True, related_name="callbacks")
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    currency = models.CharField(max_length=10)
    outcome = models.CharField(max_length=9, choices=CallbackOutcome.choices)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(
                fields=["id"], condition=Q(outcome=CallbackOutcome.MISMATCH), name="callbacks_that_differ"
            ),
        )
        constraints = (models.UniqueConstraint("provider", "event_id", name="a_callback_is_recorded_once"),)

    def __str__(self) -> str:
        return self.event_id


class CallbackReview(models.Model):
    """What staff did about a call-back that differs from its order."""

    callback = models.OneToOneField(
        PaymentCallback, on_delete=models.PROTECT, primary_key=True, related_name="review"
    )
    text = models.TextField()
    by = models.CharField(max_length=254)
    at = models.DateTimeField()

    class Meta:
        ordering = ("-callback_id",)
        constraints = (models.CheckConstraint(condition=~Q(text=""), name="a_callback_review_has_a_text"),)

    def __str__(self) -> str:
        return self.text
