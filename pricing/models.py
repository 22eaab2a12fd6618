"""What is on sale and what it costs.

A *service* is a model on sale and belongs to a *service group* of the price page. It charges for one or
more *billing items*, each one measure of a call. A *price* says what a unit size of an item costs over a
half-open period [begins_at, ends_at); its kind is list price, limited-time offer or free trial, and it is
for everybody or for one customer. A *call specification* limits calls and tokens per minute.

A *package product* is a quota package on sale, and its *terms* say what it contains and costs over a period.
A *quota package* is one that a customer has: over its *method periods* it decides the billing method of the
customer for the services that it covers. Where no method period is, the method is Tokens Postpaid.

The database keeps: prices of one kind, item and customer do not overlap; an item's prices for everybody
leave no gap from the first on and have no end; a price that has begun may only have its end moved, into
the future (the last two are triggers, in migrations/0002_rules.sql).
"""

import datetime as dt
from typing import Any, ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateTimeRangeField, RangeOperators
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import (
    BigIntegerField,
    Case,
    F,
    Func,
    Prefetch,
    Q,
    Value,
    When,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.audit.context import LONGEST_REASON
from accounts.models import Customer
from pricing.rules.kinds import Kind
from pricing.rules.measures import MAX_QUANTITY, Measure
from pricing.rules.methods import MOST_UNITS, PACKAGE_METHODS, RPM_OF_UNIT, TPM_OF_UNIT, BillingMethod
from pricing.rules.periods import END, FIRST, OUTSIDE
from pricing.rules.unit_prices import PRICE_BOUND, PRICE_DECIMALS, PRICE_DIGITS, validate_unit_price
from pricing.rules.validity import MOST_DAYS, ValidityUnit, validity_text
from sensenova_billing.lib import local_time
from sensenova_billing.lib.database.conditions import whole_hour
from sensenova_billing.lib.names import validate_name

UNIT_SIZES = {1: "", 1000: "thousand", 10_000: "ten thousand", 1_000_000: "million"}
ITEM_ORDER = ("service__group__position", "service__position", "id")


def _only(expression: F | Coalesce | Case) -> Func:
    """A range that holds this number alone: equality for GiST without the btree_gist extension."""
    return Func(
        expression, expression, Value("[]"), function="INT8RANGE", output_field=BigIntegerRangeField()
    )


def _period() -> Func:
    return Func(F("begins_at"), F("ends_at"), function="TSTZRANGE", output_field=DateTimeRangeField())


_FOR_WHOM = (_only(Coalesce(F("customer"), Value(0))), RangeOperators.OVERLAPS)
_WHEN = (_period(), RangeOperators.OVERLAPS)
_ENDS_AFTER_IT_BEGINS = Q(ends_at__isnull=True) | Q(ends_at__gt=F("begins_at"))
_WITHIN_THE_YEARS = Q(begins_at__gte=FIRST, begins_at__lt=END) & (
    Q(ends_at__isnull=True) | Q(ends_at__lt=END)
)


class ServiceGroup(models.Model):
    """A section of the price page, e.g. General within SenseNova LLM."""

    family = models.CharField(
        max_length=100, validators=[validate_name], help_text=_("The page's heading, e.g. SenseNova LLM.")
    )
    name = models.CharField(
        max_length=100,
        validators=[validate_name],
        help_text=_("The heading below it; the same where there is none."),
    )
    description = models.TextField(blank=True)
    position = models.PositiveSmallIntegerField(help_text=_("Order on the price page."))

    class Meta:
        ordering = ("position", "name")
        constraints = (models.UniqueConstraint("name", name="a_service_group_has_its_own_name"),)

    def __str__(self) -> str:
        return self.name


class Service(models.Model):
    """A model on sale."""

    name = models.CharField(
        max_length=100,
        validators=[validate_name],
        help_text=_("Names the service in the API, e.g. SenseChat-5."),
    )
    group = models.ForeignKey(ServiceGroup, on_delete=models.PROTECT, related_name="services")
    position = models.PositiveSmallIntegerField(default=0, help_text=_("Order within its group."))

    class Meta:
        ordering = ("group__position", "position", "name")
        constraints = (models.UniqueConstraint("name", name="a_service_name_names_one_service"),)

    def __str__(self) -> str:
        return self.name


class ServiceAlias(models.Model):
    """Another name under which a sender reports a service, e.g. the model name of a gateway."""

    alias = models.CharField(
        max_length=255, validators=[validate_name], help_text=_("As the sender writes it, byte for byte.")
    )
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="aliases")

    class Meta:
        ordering = ("alias",)
        verbose_name_plural = "service aliases"
        constraints = (
            models.UniqueConstraint(
                "alias",
                name="an_alias_names_one_service",
                violation_error_message=_("This alias names a service already."),
            ),
            models.CheckConstraint(condition=~Q(alias=""), name="an_alias_is_not_empty"),
        )

    def __str__(self) -> str:
        return self.alias


class BillingItem(models.Model):
    """What a service charges for."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="billing_items")
    measure = models.CharField(max_length=32, choices=Measure.choices())

    class Meta:
        ordering = ITEM_ORDER
        constraints = (
            models.UniqueConstraint(
                "service",
                "measure",
                name="a_service_charges_for_a_measure_once",
                violation_error_message=_("This service has this billing item already."),
            ),
            models.CheckConstraint(
                condition=Q(measure__in=list(Measure)), name="a_billing_item_has_a_known_measure"
            ),
        )

    def __str__(self) -> str:
        return f"{self.service}: {gettext(self.get_measure_display())}"


def in_force(*, at: dt.datetime) -> Q:
    """The condition that a period holds this instant."""
    return Q(begins_at__lte=at) & _not_ended(at)


def _not_ended(at: dt.datetime) -> Q:
    return Q(ends_at=None) | Q(ends_at__gt=at)


class PriceQuerySet(models.QuerySet["Price"]):
    def in_force(self, *, at: dt.datetime) -> "PriceQuerySet":
        """Prices whose period holds this instant, of every kind and for whomever."""
        return self.filter(in_force(at=at))

    def with_names(self) -> "PriceQuerySet":
        """With what a price's name holds, read at once."""
        return self.select_related("billing_item__service", "customer")

    def from_then_on(self, *, at: dt.datetime) -> "PriceQuerySet":
        """Prices that are in force at this instant or later."""
        return self.filter(_not_ended(at))

    def overlapping(self, price: "Price") -> "PriceQuerySet":
        """Other prices of the same kind, item and customer that are in force within this one's period."""
        upto = {"begins_at__lt": price.ends_at} if price.ends_at else {}
        return self.filter(
            _not_ended(price.begins_at),
            **upto,
            billing_item=price.billing_item,
            customer=price.customer,
            kind=price.kind,
        ).exclude(pk=price.pk)

    def for_everybody(self) -> "PriceQuerySet":
        """Without the prices negotiated with one customer."""
        return self.filter(customer=None)

    def by_precedence(self) -> "PriceQuerySet":
        """For each billing item the price that counts first: a customer's own, then by kind."""
        rank = models.Case(*(models.When(kind=kind.value, then=n) for n, kind in enumerate(Kind)))
        return self.order_by("billing_item_id", F("customer").asc(nulls_last=True), rank)


class Price(models.Model):
    """What a unit size of a billing item costs, in RMB, over a half-open period."""

    billing_item = models.ForeignKey(BillingItem, on_delete=models.PROTECT, related_name="prices")
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="prices",
        help_text=_("A price negotiated with one customer; empty: for everybody."),
    )
    kind = models.CharField(max_length=20, choices=Kind.choices(), default=Kind.LIST_PRICE.value)
    unit_price = models.DecimalField(
        "unit price (RMB)",
        max_digits=PRICE_DIGITS,
        decimal_places=PRICE_DECIMALS,
        validators=[validate_unit_price],
    )
    unit_size = models.PositiveIntegerField(
        "per",
        default=1000,
        choices=[(size, f"{size:,}") for size in UNIT_SIZES],
        help_text=_("How many tokens or characters the unit price is for."),
    )
    begins_at = models.DateTimeField("from", help_text=_("UTC; the first instant at which it is in force."))
    ends_at = models.DateTimeField(
        "until",
        null=True,
        blank=True,
        help_text=_("UTC; the first instant at which it is not; empty: no end."),
    )

    objects: ClassVar[PriceQuerySet] = PriceQuerySet.as_manager()  # type: ignore[assignment]
    # How the audit trail words what was done to a price: one that had not begun is taken back, not removed.
    audit_actions: ClassVar[dict[str, str]] = {"removed": gettext_noop("taken back")}

    class Meta:
        ordering = ("billing_item", "begins_at", "id")
        permissions = (("approve_price", gettext_noop("Can approve price changes")),)
        constraints = (
            models.CheckConstraint(
                # The upper bound is what keeps NaN out: NaN is larger than every number.
                condition=Q(unit_price__gte=0, unit_price__lt=PRICE_BOUND),
                name="a_unit_price_is_between_0_and_a_million",
            ),
            models.CheckConstraint(
                condition=Q(unit_size__in=list(UNIT_SIZES)), name="a_unit_size_is_a_power_of_ten"
            ),
            models.CheckConstraint(condition=Q(kind__in=list(Kind)), name="a_price_is_of_a_known_kind"),
            models.CheckConstraint(
                condition=~Q(kind=Kind.FREE_TRIAL) | Q(unit_price=0),
                name="a_free_trial_costs_nothing",
                violation_error_message=_("A free trial costs 0."),
            ),
            models.CheckConstraint(
                condition=_ENDS_AFTER_IT_BEGINS,
                name="a_price_ends_after_it_begins",
                violation_error_message=_("A price must end after it begins."),
            ),
            models.CheckConstraint(
                condition=_WITHIN_THE_YEARS,
                name="a_price_lies_in_the_years_1970_to_8999",
                violation_error_message=OUTSIDE,
            ),
            *(
                ExclusionConstraint(
                    name=f"{kind}_periods_of_an_item_do_not_overlap",
                    expressions=[(_only(F("billing_item")), RangeOperators.OVERLAPS), _FOR_WHOM, _WHEN],
                    condition=Q(kind=kind),
                    violation_error_message=format_lazy(
                        _("Another {kind} of this item is in force in that period."), kind=_(label)
                    ),
                )
                for kind, label in Kind.choices()
            ),
        )

    def __str__(self) -> str:
        words = {
            "item": self.billing_item,
            "price": self.text,
            "customer": self.customer,
            "at": f"{self.begins_at:%Y-%m-%d %H:%M}",
        }
        if self.customer:
            return gettext("%(item)s: %(price)s, for %(customer)s, from %(at)s") % words
        return gettext("%(item)s: %(price)s, from %(at)s") % words

    @property
    def unit(self) -> str:
        """E.g. `thousand tokens`."""
        return unit_text(measure=Measure(self.billing_item.measure), unit_size=self.unit_size)

    @property
    def text(self) -> str:
        """As the price page words it, e.g. `0.04 RMB/thousand tokens (limited-time offer)`."""
        return price_text(
            kind=self.kind,
            digits=f"{self.unit_price.normalize():f}",
            unit_size=self.unit_size,
            measure=Measure(self.billing_item.measure),
        )

    @property
    def period_text(self) -> str:
        """E.g. `from 2026-12-01 00:00 until 2027-01-01 00:00 UTC`."""
        return period_text(self.begins_at, self.ends_at)


def price_text(*, kind: str, digits: str, unit_size: int, measure: Measure) -> str:
    """Word a price as the price page does, e.g. `0.04 RMB/thousand tokens (limited-time offer)`."""
    if kind == Kind.FREE_TRIAL:
        return gettext("Free trial for a limited time")
    unit = gettext(unit_text(measure=measure, unit_size=unit_size))
    price = gettext("%(digits)s RMB/%(unit)s") % {"digits": digits, "unit": unit}
    if kind not in list(Kind) or kind == Kind.LIST_PRICE:
        return price
    return gettext("%(price)s (%(kind)s)") % {"price": price, "kind": gettext(Kind(kind).label)}


def moment_text(instant: dt.datetime) -> str:
    """Return an instant by the clock in use, UTC beside it where that is another."""
    return local_time.text_beside_utc(instant, timezone.get_current_timezone())


def period_text(begins_at: dt.datetime, ends_at: dt.datetime | None) -> str:
    """E.g. `from 2026-12-01 00:00 until 2027-01-01 00:00 UTC`; in another clock, with UTC beside it."""
    zone = timezone.get_current_timezone()
    local, utc = (
        [local_time.minute_text(one, clock) for one in (begins_at, ends_at) if one]
        for clock in (zone, dt.UTC)
    )
    words = {
        "begins": local[0],
        "ends": local[-1],
        "zone": zone,
        "utc_begins": utc[0],
        "utc_ends": utc[-1],
    }
    return gettext(_PERIODS[str(zone) == "UTC", ends_at is None]) % words


# By whether the clock in use is UTC, and whether there is no end.
_PERIODS = {
    (True, True): gettext_noop("from %(utc_begins)s UTC"),
    (True, False): gettext_noop("from %(utc_begins)s until %(utc_ends)s UTC"),
    (False, True): gettext_noop("from %(begins)s %(zone)s (%(utc_begins)s UTC)"),
    (False, False): gettext_noop(
        "from %(begins)s until %(ends)s %(zone)s (%(utc_begins)s until %(utc_ends)s UTC)"
    ),
}


def unit_text(*, measure: Measure, unit_size: int) -> str:
    """Name what a unit price is for, e.g. `thousand tokens`, or `token` for a unit size of one."""
    if unit_size == 1:
        return measure.unit.removesuffix("s")
    return f"{UNIT_SIZES[unit_size]} {measure.unit}"


class Decision(models.TextChoices):
    """What became of a proposal."""

    NONE = "", gettext_noop("waits")
    APPROVED = "approved", gettext_noop("approved")
    REFUSED = "refused", gettext_noop("refused")
    WITHDRAWN = "withdrawn", gettext_noop("withdrawn")


class Proposal(models.Model):
    """A change of the catalogue that waits for a second person (setting PRICE_CHANGES_NEED_APPROVAL)."""

    deed = models.CharField(max_length=200, help_text=_("What is to be done, in a few words."))
    rows = models.JSONField(help_text=_("The rows that bring it about, as sheets of cells."))
    reason = models.CharField(max_length=LONGEST_REASON)
    proposed_by = models.CharField(max_length=254)
    proposed_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default=Decision.NONE)
    decided_by = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-proposed_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(decision="", decided_by="", decided_at=None)
                | (~Q(decision="") & ~Q(decided_by="") & Q(decided_at__isnull=False)),
                name="a_decision_on_a_proposal_says_by_whom_and_when",
            ),
            models.CheckConstraint(
                condition=~Q(decision=Decision.APPROVED) | ~Q(decided_by=F("proposed_by")),
                name="a_proposal_is_approved_by_somebody_else",
                violation_error_message=_("A proposal is approved by somebody else than who made it."),
            ),
        )

    def __str__(self) -> str:
        return self.deed


class CallSpecificationQuerySet(models.QuerySet["CallSpecification"]):
    def in_force(self, *, at: dt.datetime) -> "CallSpecificationQuerySet":
        """Call specifications whose period holds this instant."""
        return self.filter(in_force(at=at))


class CallSpecification(models.Model):
    """How many calls (RPM) and tokens (TPM) a service takes from a customer in any 60 seconds."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="call_specifications")
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="call_specifications",
        help_text=_("One customer's own; empty: the default."),
    )
    rpm = models.PositiveIntegerField(
        "RPM", validators=[MinValueValidator(1)], help_text=_("Calls per minute.")
    )
    tpm = models.PositiveIntegerField(
        "TPM",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Input and output tokens per minute; empty: none stated."),
    )
    excludes_cached_input = models.BooleanField(
        "TPM without cached input",
        default=False,
        db_default=False,
        help_text=_("Input that is read from a cache does not count towards the TPM."),
    )
    begins_at = models.DateTimeField("from", default=timezone.now)
    ends_at = models.DateTimeField("until", null=True, blank=True)

    objects: ClassVar[CallSpecificationQuerySet] = CallSpecificationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("service", "begins_at", "id")
        constraints = (
            models.CheckConstraint(condition=Q(rpm__gte=1), name="an_rpm_is_at_least_one"),
            models.CheckConstraint(
                condition=Q(tpm__isnull=True) | Q(tpm__gte=1), name="a_tpm_is_at_least_one"
            ),
            models.CheckConstraint(
                condition=_ENDS_AFTER_IT_BEGINS, name="a_call_specification_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=_WITHIN_THE_YEARS,
                name="a_call_specification_lies_in_the_years_1970_to_8999",
                violation_error_message=OUTSIDE,
            ),
            ExclusionConstraint(
                name="call_specifications_of_a_service_do_not_overlap",
                expressions=[(_only(F("service")), RangeOperators.OVERLAPS), _FOR_WHOM, _WHEN],
                violation_error_message=_("Another call specification is in force in that period."),
            ),
        )

    def __str__(self) -> str:
        words = {"service": self.service, "rpm": f"{self.rpm:,}", "tpm": f"{self.tpm or 0:,}"}
        if self.tpm:
            return gettext("%(service)s: %(rpm)s RPM, %(tpm)s TPM") % words
        return gettext("%(service)s: %(rpm)s RPM, no TPM") % words


# Of a quota package's price, in RMB and fen.
AMOUNT_DIGITS, AMOUNT_PLACES, AMOUNT_BOUND = 12, 2, 10**9
WEIGHT_PLACES, WEIGHT_BOUND = 3, 1000


def _package_price(name: str, **options: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(
        name,
        max_digits=AMOUNT_DIGITS,
        decimal_places=AMOUNT_PLACES,
        validators=[MinValueValidator(0), MaxValueValidator(AMOUNT_BOUND - 1)],
        **options,
    )


def _weight() -> "models.DecimalField[Any, Any]":
    return models.DecimalField(
        max_digits=6,
        decimal_places=WEIGHT_PLACES,
        validators=[MinValueValidator(0)],
        help_text=_("How many tokens of the package one token of this item takes."),
    )


def _method() -> "models.CharField[str, str]":
    return models.CharField(
        "billing method", max_length=20, choices=[(method.value, method.label) for method in PACKAGE_METHODS]
    )


class PackageProduct(models.Model):
    """A quota package on sale; what it contains and costs stands in its terms."""

    name = models.CharField(
        max_length=100, validators=[validate_name], help_text=_("As customers see it, e.g. SenseChat-5 10M.")
    )
    method = _method()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint("name", name="a_package_product_has_its_own_name"),
            models.CheckConstraint(
                condition=Q(method__in=list(PACKAGE_METHODS)), name="a_package_product_is_of_a_known_method"
            ),
        )

    def __str__(self) -> str:
        return self.name


# What the services that terms cover are read from.
_COVERED = (Prefetch("services", Service.objects.select_related("group")), "groups__services")


class PackageTermsQuerySet(models.QuerySet["PackageTerms"]):
    def in_force(self, *, at: dt.datetime) -> "PackageTermsQuerySet":
        """Terms whose period holds this instant."""
        return self.filter(in_force(at=at))

    def with_covered_services(self) -> "PackageTermsQuerySet":
        """Terms with what they cover, read at once for all of them."""
        return self.prefetch_related(*_COVERED)


class PackageTerms(models.Model):
    """What a package product contains and costs over a period in which it is on sale."""

    product = models.ForeignKey(PackageProduct, on_delete=models.PROTECT, related_name="terms")
    services = models.ManyToManyField(Service, blank=True, related_name="+", help_text=_("What it covers."))
    groups = models.ManyToManyField(
        ServiceGroup,
        blank=True,
        related_name="+",
        help_text=_("All services of these groups are covered too."),
    )
    tokens = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_QUANTITY)],
        help_text=_("Of a Tokens package."),
    )
    validity = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)]
    )
    validity_unit = models.CharField(
        max_length=5, choices=ValidityUnit.choices(), default=ValidityUnit.MONTH.value
    )
    list_price = _package_price("list price (RMB)", help_text=_("Of a TPM package: of a unit."))
    offer_price = _package_price("offer price (RMB)", null=True, blank=True)
    rpm = models.PositiveIntegerField(
        "RPM",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Call limit while a Tokens package lasts; empty: the usual one."),
    )
    tpm = models.PositiveIntegerField("TPM", null=True, blank=True, validators=[MinValueValidator(1)])
    begins_at = models.DateTimeField("from", default=timezone.now)
    ends_at = models.DateTimeField("until", null=True, blank=True)

    objects: ClassVar[PackageTermsQuerySet] = PackageTermsQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("product", "begins_at", "id")
        verbose_name_plural = "package terms"
        constraints = (
            models.CheckConstraint(
                condition=Q(tokens=None, validity=1, rpm=None, tpm=None)
                | Q(tokens__gte=1, tokens__lte=MAX_QUANTITY),
                name="package_terms_have_tokens_or_are_of_units",
            ),
            models.CheckConstraint(
                condition=Q(validity__gte=1, validity__lte=MOST_DAYS, validity_unit__in=list(ValidityUnit)),
                name="package_terms_are_valid_for_days_or_months",
            ),
            models.CheckConstraint(
                condition=Q(list_price__gte=0, list_price__lt=AMOUNT_BOUND)
                & (Q(offer_price=None) | Q(offer_price__gte=0, offer_price__lte=F("list_price"))),
                name="an_offer_for_a_package_is_not_above_its_list_price",
                violation_error_message=_("An offer price is not above the list price."),
            ),
            models.CheckConstraint(
                condition=Q(rpm=None, tpm=None) | Q(rpm__gte=1, tpm__gte=1),
                name="package_terms_limit_both_rpm_and_tpm_or_neither",
                violation_error_message=_("Give both RPM and TPM, or neither."),
            ),
            models.CheckConstraint(
                condition=_ENDS_AFTER_IT_BEGINS,
                name="package_terms_end_after_they_begin",
                violation_error_message=_("Terms must end after they begin."),
            ),
            models.CheckConstraint(
                condition=_WITHIN_THE_YEARS,
                name="package_terms_lie_in_the_years_1970_to_8999",
                violation_error_message=OUTSIDE,
            ),
            ExclusionConstraint(
                name="terms_of_a_package_product_do_not_overlap",
                expressions=[(_only(F("product")), RangeOperators.OVERLAPS), _WHEN],
                violation_error_message=_("Other terms of this product are in force in that period."),
            ),
        )

    def __str__(self) -> str:
        words = {"product": self.product, "at": f"{self.begins_at:%Y-%m-%d %H:%M}"}
        return gettext("%(product)s, from %(at)s") % words

    @property
    def covered_services(self) -> list[Service]:
        """The services that it covers, those of its groups included, in the order of the price page."""
        prefetch_related_objects([self], *_COVERED)
        of_groups = (service for group in self.groups.all() for service in group.services.all())
        return sorted(
            {*self.services.all(), *of_groups}, key=lambda one: (one.group.position, one.position, one.name)
        )

    @property
    def price(self) -> Any:
        """What it costs, or what a unit of it costs: a Decimal."""
        return self.list_price if self.offer_price is None else self.offer_price

    @property
    def validity_text(self) -> str:
        """E.g. `1 month`."""
        return validity_text(self.validity, self.validity_unit)


class TermsWeight(models.Model):
    """How many tokens of a package a token of a billing item takes, where it is not one."""

    terms = models.ForeignKey(PackageTerms, on_delete=models.CASCADE, related_name="weights")
    billing_item = models.ForeignKey(BillingItem, on_delete=models.PROTECT, related_name="+")
    weight = _weight()

    class Meta:
        ordering = ("terms", "billing_item")
        constraints = (
            models.UniqueConstraint("terms", "billing_item", name="terms_weigh_a_billing_item_once"),
            models.CheckConstraint(
                condition=Q(weight__gt=0, weight__lt=WEIGHT_BOUND),
                name="the_weight_of_an_item_is_between_0_and_a_thousand",
            ),
        )

    def __str__(self) -> str:
        return f"{self.billing_item}: {self.weight.normalize():f}"


# Of terms, with the names of what they weigh.
WEIGHTS = Prefetch("weights", TermsWeight.objects.select_related("billing_item__service"))


class QuotaPackage(models.Model):
    """Tokens or TPM that a customer bought ahead: what it covers, copied from the terms, and how long."""

    number = models.CharField(max_length=100)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="quota_packages")
    terms = models.ForeignKey(PackageTerms, on_delete=models.PROTECT, related_name="packages")
    product_name = models.CharField(max_length=100)
    method = _method()
    tokens = models.BigIntegerField(null=True, help_text=_("Of a Tokens package."))
    units = models.PositiveIntegerField(null=True, help_text=_("Of a TPM package."))
    rpm = models.PositiveIntegerField("RPM", null=True)
    tpm = models.PositiveBigIntegerField("TPM", null=True)
    bought_at = models.DateTimeField()
    begins_at = models.DateTimeField("from")
    expires_at = models.DateTimeField("until")
    ended_at = models.DateTimeField(null=True, help_text=_("Where it was refunded."))

    class Meta:
        ordering = ("expires_at", "bought_at", "id")
        # What the clock looks after are those that have not expired.
        indexes = (
            models.Index(fields=["expires_at"], name="packages_by_expiry"),
            models.Index(fields=["-bought_at", "-id"], name="packages_by_purchase"),
        )
        constraints = (
            models.UniqueConstraint("number", name="a_package_number_names_one_package"),
            models.CheckConstraint(
                condition=Q(method=BillingMethod.TOKENS_PACKAGE, tokens__gte=1, units=None)
                | Q(
                    method=BillingMethod.TPM_PACKAGE,
                    tokens=None,
                    units__gte=1,
                    units__lte=MOST_UNITS,
                    rpm=F("units") * RPM_OF_UNIT,
                    tpm=F("units") * TPM_OF_UNIT,
                ),
                name="a_package_holds_tokens_or_units",
            ),
            models.CheckConstraint(
                condition=Q(begins_at__lt=F("expires_at")), name="a_package_expires_after_it_begins"
            ),
        )

    def __str__(self) -> str:
        return self.number


class PackageWeight(models.Model):
    """How many tokens of a package a token of a billing item takes, where it is not one; a copy."""

    package = models.ForeignKey(QuotaPackage, on_delete=models.PROTECT, related_name="weights")
    billing_item = models.ForeignKey(BillingItem, on_delete=models.PROTECT, related_name="+")
    weight = _weight()

    class Meta:
        ordering = ("package", "billing_item")
        constraints = (
            models.UniqueConstraint("package", "billing_item", name="a_package_weighs_a_billing_item_once"),
            models.CheckConstraint(
                condition=Q(weight__gt=0, weight__lt=WEIGHT_BOUND),
                name="a_weight_is_between_0_and_a_thousand",
            ),
        )

    def __str__(self) -> str:
        return f"{self.billing_item}: {self.weight.normalize():f}"


class MethodPeriodQuerySet(models.QuerySet["MethodPeriod"]):
    def in_force(self, *, at: dt.datetime) -> "MethodPeriodQuerySet":
        """Those that hold this instant."""
        return self.filter(in_force(at=at))

    def after(self, at: dt.datetime) -> "MethodPeriodQuerySet":
        """Those that hold an instant from this one on; those of packages that never began hold none."""
        return self.filter(ends_at__gt=at, begins_at__lt=F("ends_at"))


class MethodPeriod(models.Model):
    """The hours in which a package decides the billing method of its customer for a service."""

    # Package and customer come first in the unique constraint and the index below.
    package = models.ForeignKey(
        QuotaPackage, on_delete=models.PROTECT, db_index=False, related_name="periods"
    )
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, db_index=False, related_name="method_periods"
    )
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="method_periods")
    method = _method()
    begins_at = models.DateTimeField("from")
    ends_at = models.DateTimeField("until")

    objects: ClassVar[MethodPeriodQuerySet] = MethodPeriodQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ("customer", "service", "begins_at", "id")
        indexes = (models.Index(fields=["customer", "service", "begins_at"], name="methods_of_a_customer"),)
        constraints = (
            models.UniqueConstraint("package", "service", name="a_package_covers_a_service_over_one_period"),
            models.CheckConstraint(
                # Equal where a package was refunded before it began: a period that holds no instant.
                condition=Q(begins_at__lte=F("ends_at")),
                name="a_method_does_not_end_before_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(whole_hour("begins_at")) & Q(whole_hour("ends_at")),
                name="a_method_begins_and_ends_on_full_hours",
            ),
            # Packages of one method may overlap. Ranges of one number are adjacent where they differ, so that
            # this needs no extension.
            ExclusionConstraint(
                name="a_customer_has_one_billing_method_for_a_service",
                expressions=[
                    (_only(F("customer")), RangeOperators.OVERLAPS),
                    (_only(F("service")), RangeOperators.OVERLAPS),
                    _WHEN,
                    (
                        _only(
                            Case(
                                When(method=BillingMethod.TPM_PACKAGE, then=1),
                                default=2,
                                output_field=BigIntegerField(),
                            )
                        ),
                        RangeOperators.ADJACENT_TO,
                    ),
                ],
                violation_error_message=_("Another billing method is in force in that period."),
            ),
        )

    def __str__(self) -> str:
        return f"{self.customer}, {self.service}: {gettext(self.get_method_display())}"
