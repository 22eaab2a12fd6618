"""Usage records, billing hours and call windows; no money.

A *usage record* is one model call of one customer. It is stored once under (customer, event_id), and never
changed; it leaves the table only for an *archive*, and its event stays unique. Its *billing hour* [h, h+1)
UTC is the hour in which it is billed: its own hour if that was open when the record arrived, else the
earliest open one; then the record is *late*. A row of `BillingHour` means that the hour is closed, finally;
hours close in order and without a gap.

Wrong usage is corrected by a *reversal*: another record with the negated quantities, at the same instant,
that names the record which it reverses.

Only usage records outgrow one machine: their keys contain the customer, they have no foreign keys in the
database (ingest checks) and no trigger that reads another table, but for the one that guards their removal.
"""

import datetime as dt
from enum import StrEnum
from functools import reduce
from operator import add
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce, Length
from django.db.models.lookups import Exact
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer, ServiceKey
from pricing.models import Service
from pricing.rules.measures import MAX_QUANTITY as MAX_QUANTITY
from pricing.rules.measures import PARTS_OF, Measure
from sensenova_billing.lib.database.conditions import whole_hour
from usage.bounds import MOST_TOKENS_COUNTED, PLACES_IN_A_WINDOW

HOUR = dt.timedelta(hours=1)


class RefusalReason(models.TextChoices):
    """A reason for which usage is refused; docs/operations.md has the action for each."""

    UNKNOWN_CUSTOMER = "unknown_customer", gettext_noop("no such customer")
    CUSTOMER_NOT_OF_KEY = "customer_not_of_key", gettext_noop("the key may not report for this customer")
    UNKNOWN_SERVICE = "unknown_service", gettext_noop("no such service")
    NOT_CHARGED = "not_charged", gettext_noop("the service does not charge for it")
    NOT_ON_SALE_YET = "not_on_sale_yet", gettext_noop("the service did not charge for it yet")
    TOO_OLD = "too_old", gettext_noop("too long ago")
    TOO_FAR_AHEAD = "too_far_ahead", gettext_noop("too far in the future")
    INVALID_VALUE = "invalid_value", gettext_noop("a field is missing, unknown or not valid")
    CONFLICTING_USAGE = "conflicting_usage", gettext_noop("an event id with other content than before")
    REFUSED_WITH_BATCH = (
        "refused_with_batch",
        gettext_noop("valid, but in a batch with records that were refused"),
    )
    NOT_REVERSIBLE = "not_reversible", gettext_noop("a reversal that cannot be made")
    ALREADY_REVERSED = "already_reversed", gettext_noop("reversed before for another reason")
    MALFORMED = "malformed", gettext_noop("the body cannot be read")
    EMPTY_BATCH = "empty_batch", gettext_noop("a batch without records")
    BATCH_TOO_LARGE = "batch_too_large", gettext_noop("too many records in a batch")
    BODY_TOO_LARGE = "body_too_large", gettext_noop("the body is too large")
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", gettext_noop("a content type that is not accepted")
    MISSING_SCOPE = "missing_scope", gettext_noop("the key lacks the scope usage:write")
    INVALID_KEY = "invalid_key", gettext_noop("a key that is unknown, expired or revoked")
    NO_KEY = "no_key", gettext_noop("no key")
    OTHER = "other", gettext_noop("another reason")


class Outcome(StrEnum):
    """How a call ended that was not completed."""

    FAILED = "failed"
    CUT = "cut"

    @property
    def label(self) -> str:
        """In words."""
        return gettext_noop("cut off") if self is Outcome.CUT else gettext_noop("failed")


def _quantity() -> "models.BigIntegerField[int, int]":
    return models.BigIntegerField(default=0)


def _rare_quantity() -> "models.BigIntegerField[int | None, int | None]":
    # 0 is stored as null, which takes no space, and no process needs to know the column to write a record.
    return models.BigIntegerField(null=True)


def _parts_are_no_more_than(whole: Measure) -> models.CheckConstraint:
    parts = PARTS_OF[whole]
    total = reduce(add, (Coalesce(F(part), 0) for part in parts))
    return models.CheckConstraint(
        condition=Q(**{f"{part}__isnull": True for part in parts})
        | Q(reverses__isnull=True, **{f"{whole}__gte": total})
        | Q(reverses__isnull=False, **{f"{whole}__lte": total}),
        name=f"the_parts_of_{whole}_are_no_more_than_the_whole",
    )


class UsageRecord(models.Model):
    """One model call of one customer: what it used and when."""

    pk = models.CompositePrimaryKey("customer_id", "event_id")
    customer = models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    event_id = models.CharField(max_length=255, db_collation="C")
    service = models.ForeignKey(
        Service, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    occurred_at = models.DateTimeField()
    billing_hour = models.DateTimeField()
    received_at = models.DateTimeField()
    input_tokens = _quantity()
    output_tokens = _quantity()
    input_characters = _quantity()
    cached_input_tokens = _rare_quantity()
    cache_write_tokens = _rare_quantity()
    seconds = _rare_quantity()
    images = _rare_quantity()
    requests = _rare_quantity()
    metadata = models.JSONField(null=True)
    reverses = models.CharField(  # noqa: DJ001  # no string could mean "none": ids are compared
        max_length=255,
        null=True,
        db_collation="C",
        help_text="The id of the record that this one takes back.",
    )

    outcome = models.CharField(  # noqa: DJ001  # null takes no space
        max_length=8,
        null=True,
        choices=[(one.value, one.label) for one in Outcome],
        help_text="Empty: completed.",
    )
    is_charged = models.BooleanField(
        null=True, help_text="No: it failed or was cut off, and is not charged. Empty: it is charged."
    )

    class Meta:
        indexes = (
            models.Index(fields=["billing_hour", "customer"], name="records_of_an_hour"),
            models.Index(
                fields=["billing_hour"], condition=Q(reverses__isnull=False), name="reversals_of_an_hour"
            ),
            models.Index(
                fields=["billing_hour"],
                condition=Q(occurred_at__lt=F("billing_hour")),
                name="late_records_of_an_hour",
            ),
        )
        constraints = (
            models.CheckConstraint(condition=~Q(event_id=""), name="an_event_id_is_not_empty"),
            models.CheckConstraint(
                condition=Q(whole_hour("billing_hour")), name="a_records_billing_hour_is_whole"
            ),
            models.CheckConstraint(
                condition=Q(occurred_at__lt=F("billing_hour") + HOUR),
                name="a_record_is_billed_in_its_hour_or_later",
            ),
            *(
                models.CheckConstraint(
                    condition=Q(
                        **{f"{measure}__gte": 0, f"{measure}__lte": MAX_QUANTITY}, reverses__isnull=True
                    )
                    | Q(**{f"{measure}__lte": 0, f"{measure}__gte": -MAX_QUANTITY}, reverses__isnull=False),
                    name=f"{measure}_are_between_0_and_2_to_the_53_or_taken_back",
                )
                for measure in Measure
            ),
            *(_parts_are_no_more_than(whole) for whole in PARTS_OF),
            models.CheckConstraint(
                condition=Q(outcome__isnull=True) | Q(outcome__in=[one.value for one in Outcome]),
                name="an_outcome_is_failed_or_cut",
            ),
            models.CheckConstraint(
                condition=Q(is_charged__isnull=True) | Q(is_charged=False, outcome__isnull=False),
                name="only_a_failed_or_cut_call_is_not_charged",
            ),
            models.UniqueConstraint(
                "customer", "reverses", condition=Q(reverses__isnull=False), name="a_record_is_reversed_once"
            ),
        )

    def __str__(self) -> str:
        return self.event_id

    def quantity_of(self, measure: Measure | str) -> int:
        """Return how much was used of this measure; below 0 in a reversal."""
        return getattr(self, measure) or 0


class BillingHour(models.Model):
    """A closed hour; the closing inserts its row, once."""

    hour = models.DateTimeField(primary_key=True)
    previous = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="next",
        help_text=_("The hour before, closed as well; only the first hour has none."),
    )
    closed_at = models.DateTimeField()

    objects: ClassVar[models.Manager["BillingHour"]] = models.Manager()

    class Meta:
        ordering = ("-hour",)
        get_latest_by = "hour"
        constraints = (
            models.CheckConstraint(condition=Q(whole_hour("hour")), name="a_billing_hour_is_whole"),
            models.CheckConstraint(
                condition=Q(previous__isnull=True) | Q(previous=F("hour") - HOUR),
                name="a_billing_hour_follows_the_hour_before",
            ),
            models.UniqueConstraint(
                models.Case(models.When(previous=None, then=1)), name="only_the_first_hour_follows_none"
            ),
            models.CheckConstraint(
                condition=Q(closed_at__gte=F("hour") + HOUR), name="an_hour_is_closed_after_its_end"
            ),
        )

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} UTC"


def _customer() -> "models.ForeignKey[Customer, Customer]":
    return models.ForeignKey(
        Customer, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )


def _service() -> "models.ForeignKey[Service, Service]":
    return models.ForeignKey(
        Service, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )


class CallWindow(models.Model):
    """The calls and tokens of one customer and service in each of the last 61 seconds.

    Unix second s is at place s mod 61. Only functions of the database write it
    (migrations/0011_call_ids_of_customers.sql, 0014_clock_set_back.sql). The table is unlogged: after a
    crash of the server it is empty, and nothing is admitted for a window (0013_hold_after_restart.sql).
    """

    pk = models.CompositePrimaryKey("customer_id", "service_id")
    customer = _customer()
    service = _service()
    second = models.BigIntegerField(help_text="The newest second.")
    calls = ArrayField(models.BigIntegerField())
    tokens = ArrayField(models.BigIntegerField())
    calls_in_all = models.BigIntegerField()
    tokens_in_all = models.BigIntegerField()
    setbacks = models.IntegerField(help_text="Its generation: a call of another one does not count in it.")
    ahead = models.BigIntegerField(
        db_default=0, help_text="By how many seconds it is ahead of a clock that was set back."
    )

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(calls__len=PLACES_IN_A_WINDOW, tokens__len=PLACES_IN_A_WINDOW),
                name="a_call_window_has_61_places",
            ),
            models.CheckConstraint(
                condition=Q(calls_in_all__gte=0, tokens_in_all__gte=0),
                name="a_call_window_holds_no_less_than_nothing",
            ),
        )

    def __str__(self) -> str:
        return f"{self.calls_in_all} calls, {self.tokens_in_all} tokens"


class AdmittedCall(models.Model):
    """A call that was admitted within the last hour; unlogged like its window."""

    pk = models.CompositePrimaryKey("call_id", "customer_id")
    call_id = models.CharField(max_length=255, db_collation="C")
    customer = _customer()
    service = _service()
    second = models.BigIntegerField(help_text="The second in which it counts.")
    setbacks = models.IntegerField(help_text="The generation of its window.")
    tokens = models.BigIntegerField(help_text="As estimated, or as used once it is settled.")
    state = models.CharField(max_length=8)

    class Meta:
        indexes = (models.Index(fields=["second"], name="admitted_calls_by_second"),)
        constraints = (
            models.CheckConstraint(condition=~Q(call_id=""), name="a_call_id_is_not_empty"),
            models.CheckConstraint(
                condition=Q(tokens__gte=0, tokens__lte=MOST_TOKENS_COUNTED),
                name="the_tokens_of_a_call_are_between_0_and_2_to_the_31",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("held", "settled", "released")),
                name="an_admitted_call_is_held_settled_or_released",
            ),
        )

    def __str__(self) -> str:
        return self.call_id


class RefusedCalls(models.Model):
    """How many calls of a customer to a service were refused in an hour, for one reason; unlogged."""

    pk = models.CompositePrimaryKey("customer_id", "service_id", "hour", "refusal")
    customer = _customer()
    service = _service()
    hour = models.DateTimeField()
    refusal = models.CharField(max_length=16)
    calls = models.BigIntegerField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(whole_hour("hour")), name="refusals_are_counted_by_whole_hours"
            ),
        )

    def __str__(self) -> str:
        return f"{self.calls} {self.refusal}"


class RefusedUsage(models.Model):
    """How much usage was refused in an hour: of one customer, sent with one key, for one reason.

    Only known customers have rows of their own, so invented codes add no rows. Payloads are not
    stored.
    """

    hour = models.DateTimeField("hour (UTC)")
    key = models.ForeignKey(
        ServiceKey,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: the request had no valid key.",
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: the request named no known customer, or could not be read.",
    )
    reason = models.CharField(max_length=32, choices=RefusalReason.choices)
    requests = models.BigIntegerField(help_text="Refused requests with at least one such record.")
    records = models.BigIntegerField(help_text="A request that could not be read counts as one record.")
    last_at = models.DateTimeField("last (UTC)")
    latest = models.JSONField(help_text="The last few requests, newest first: when, where, how many records.")

    class Meta:
        ordering = ("-hour", "-last_at")
        verbose_name = verbose_name_plural = "refused usage"
        constraints = (
            models.UniqueConstraint(
                fields=["hour", "key", "customer", "reason"],
                name="refused_usage_is_counted_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(whole_hour("hour")), name="refused_usage_is_counted_by_whole_hours"
            ),
            models.CheckConstraint(
                condition=Q(reason__in=RefusalReason.values), name="refused_usage_has_a_known_reason"
            ),
            models.CheckConstraint(
                condition=Q(requests__gt=0, records__gte=F("requests")),
                name="a_refused_request_is_of_at_least_one_record",
            ),
        )

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} UTC, {gettext(self.get_reason_display())}"


class QuarantineState(models.TextChoices):
    """What became of usage in quarantine."""

    WAITING = "waiting", gettext_noop("waits")
    STORED = "stored", gettext_noop("stored")
    DISMISSED = "dismissed", gettext_noop("dismissed")


class QuarantinedUsage(models.Model):
    """Usage that could not be stored and that its sender cannot send again; staff mend and store it.

    It holds only what was read of the payload, never a prompt or an answer.
    """

    received_at = models.DateTimeField("received (UTC)")
    key = models.ForeignKey(ServiceKey, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, editable=False)
    event_id = models.CharField(max_length=255)
    customer_code = models.CharField("customer", max_length=255, blank=True)
    service_name = models.CharField("service", max_length=255, blank=True)
    occurred_at = models.DateTimeField("used (UTC)")
    quantities = models.JSONField(default=dict)
    outcome = models.CharField(max_length=8, blank=True)
    metadata = models.JSONField(default=dict)
    sent = models.JSONField(help_text="What was read of the payload.")
    field = models.CharField(max_length=200, blank=True)
    problem = models.CharField(max_length=500)
    reason = models.CharField(max_length=32, choices=RefusalReason.choices)
    state = models.CharField(max_length=16, choices=QuarantineState.choices, default=QuarantineState.WAITING)
    decided_at = models.DateTimeField("decided (UTC)", null=True, blank=True)
    decided_by = models.CharField(max_length=254, blank=True)
    decision = models.TextField("why", blank=True, help_text="With what it said before it was mended.")

    class Meta:
        ordering = ("-received_at", "-id")
        verbose_name = verbose_name_plural = "usage in quarantine"
        indexes = (
            models.Index(
                fields=["received_at"], condition=Q(state=QuarantineState.WAITING), name="usage_that_waits"
            ),
            models.Index(fields=["-received_at", "-id"], name="usage_in_quarantine_by_time"),
        )
        constraints = (
            models.UniqueConstraint(fields=["digest"], name="the_same_usage_is_in_quarantine_once"),
            models.CheckConstraint(
                condition=Q(state__in=QuarantineState.values), name="usage_in_quarantine_has_a_known_state"
            ),
            models.CheckConstraint(
                condition=Q(state=QuarantineState.WAITING, decided_at__isnull=True)
                | (~Q(state=QuarantineState.WAITING) & Q(decided_at__isnull=False) & ~Q(decided_by="")),
                name="a_decision_on_usage_in_quarantine_is_signed",
            ),
        )

    def __str__(self) -> str:
        return self.event_id


class RefusedUsageTotal(models.Model):
    """How many records were ever refused for a reason; it never decreases."""

    reason = models.CharField(primary_key=True, max_length=32, choices=RefusalReason.choices)
    records = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.records} {self.reason}"


class RedisAway(models.Model):
    """When Redis last failed any process that used it for call limits; at most one row, read by all."""

    is_only = models.BooleanField(primary_key=True, default=True)
    failed_at = models.DateTimeField()

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(is_only=True), name="redis_is_away_for_everybody"),)

    def __str__(self) -> str:
        return f"failed at {self.failed_at}"


class BudgetPeriod(models.TextChoices):
    """How long a window of a budget is, by the customer's clock."""

    HOUR = "hour", gettext_noop("hour")
    DAY = "day", gettext_noop("day")
    WEEK = "week", gettext_noop("week")
    MONTH = "month", gettext_noop("month")


class Budget(models.Model):
    """What a customer means to spend in each hour, day, week or month.

    For a service or for all; of all calls, or of those with a value in their metadata: a project, an end
    user, an API key.
    """

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="budgets")
    service = models.ForeignKey(
        Service, on_delete=models.PROTECT, null=True, related_name="+", help_text=_("Empty: all services.")
    )
    metadata_name = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text=_("Empty: calls with any metadata.")
    )
    metadata_value = models.CharField(max_length=255, blank=True, default="", db_default="")
    period = models.CharField(max_length=5, choices=BudgetPeriod.choices)
    amount = models.DecimalField("RMB", max_digits=14, decimal_places=2)
    alerts_at = ArrayField(models.SmallIntegerField(), help_text=_("Percent of the amount."))
    is_cap = models.BooleanField("stops calls", help_text=_("Whether calls beyond it are refused."))
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["customer", "service", "metadata_name", "metadata_value", "period"],
                condition=Q(removed_at=None),
                name="a_customer_has_one_budget_of_the_same_calls_and_period",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(metadata_name="", metadata_value="")
                | (~Q(metadata_name="") & ~Q(metadata_value="")),
                name="a_budget_names_metadata_with_its_value",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="a_budget_is_more_than_nothing"),
            models.CheckConstraint(
                condition=Q(period__in=BudgetPeriod.values), name="a_budget_has_a_known_period"
            ),
            models.CheckConstraint(
                condition=Q(alerts_at__contained_by=list(range(1, 101))),
                name="a_budget_alerts_at_1_to_100_percent",
            ),
        )

    def __str__(self) -> str:
        facts = {"amount": f"{self.amount:,.2f}", "period": gettext(self.get_period_display())}
        return gettext("%(amount)s RMB a %(period)s") % facts


class BudgetUse(models.Model):
    """How far a budget is used in one window; `invoices/budgets/refresh.py` writes what was charged.

    `billed` is the part of `used` that is on the bills sealed up to an hour. `held` is the sum of the
    reservations of admitted calls that are not in `used` yet. All are only written under the lock of the row.
    """

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, db_index=False, related_name="uses")
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    used = models.DecimalField(max_digits=50, decimal_places=14, default=0)
    billed = models.DecimalField(max_digits=50, decimal_places=14, default=0, db_default=0)
    billed_through = models.DateTimeField(null=True, help_text=_("The hour with which they were sealed."))
    held = models.DecimalField(max_digits=50, decimal_places=14, default=0)
    as_of = models.DateTimeField(null=True, help_text=_("Usage that was stored before is in what was used."))
    stopped_at = models.DateTimeField(null=True, help_text=_("When a call was first refused."))

    class Meta:
        ordering = ("-begins_at", "-id")
        verbose_name = "use of a budget"
        verbose_name_plural = "use of budgets"
        constraints = (
            models.UniqueConstraint("budget", "begins_at", name="a_budget_has_one_row_for_a_window"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("begins_at")), name="a_window_of_a_budget_ends_after_it_begins"
            ),
            models.CheckConstraint(condition=Q(held__gte=0), name="a_budget_holds_no_less_than_nothing"),
        )

    def __str__(self) -> str:
        return f"{self.begins_at:%Y-%m-%d %H:%M} UTC"


class BudgetReservation(models.Model):
    """What an admitted call may cost, held in a window until its usage is in what was used."""

    use = models.ForeignKey(BudgetUse, on_delete=models.PROTECT, db_index=False, related_name="reservations")
    customer = _customer()
    call_id = models.CharField(max_length=255, db_collation="C")
    amount = models.DecimalField(max_digits=50, decimal_places=14)
    expires_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(fields=["use", "reported_at"], name="budget_reservations_of_a_use"),
            models.Index(fields=["expires_at"], name="budget_reservations_by_expiry"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["customer", "call_id", "use"], name="a_call_reserves_once_of_a_budget"
            ),
        )

    def __str__(self) -> str:
        return self.call_id


class BudgetAlert(models.Model):
    """That a share of a budget was reached in a window, once: an event, and a mail."""

    use = models.ForeignKey(BudgetUse, on_delete=models.PROTECT, db_index=False, related_name="alerts")
    percent = models.SmallIntegerField()
    is_stop = models.BooleanField(help_text=_("Calls are refused."))
    reached_at = models.DateTimeField()
    used = models.DecimalField(max_digits=50, decimal_places=14)
    mail_after = models.DateTimeField()
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["mail_after"], condition=Q(mailed_at=None), name="budget_alerts_to_mail"),
        )
        constraints = (
            models.UniqueConstraint("use", "percent", name="a_share_of_a_budget_is_reached_once_a_window"),
        )

    def __str__(self) -> str:
        return f"{self.percent} %"


class UsageArchive(models.Model):
    """A file with all usage records of a span of closed hours, which left the table in the same transaction.

    Restored, its records are in the table again, and the file is of no more use.
    """

    from_hour = models.DateTimeField("from (UTC)")
    until_hour = models.DateTimeField("until (UTC)")
    records = models.BigIntegerField()
    file = models.CharField(max_length=1000, help_text="In USAGE_ARCHIVE_DIR, unless it has a path.")
    size = models.BigIntegerField("bytes")
    sha256 = models.BinaryField("SHA-256", max_length=32)
    seal = models.BinaryField(max_length=32, help_text="Of the last hour; it covers the hours before.")
    archived_at = models.DateTimeField("archived (UTC)")
    restored_at = models.DateTimeField("restored (UTC)", null=True)

    objects: ClassVar[models.Manager["UsageArchive"]] = models.Manager()

    class Meta:
        ordering = ("-from_hour", "-id")
        verbose_name = "archive of usage records"
        verbose_name_plural = "archives of usage records"
        constraints = (
            models.CheckConstraint(
                condition=Q(whole_hour("from_hour")) & Q(whole_hour("until_hour")),
                name="an_archive_holds_whole_hours",
            ),
            models.CheckConstraint(
                condition=Q(until_hour__gt=F("from_hour")), name="an_archive_ends_after_it_begins"
            ),
            models.CheckConstraint(
                condition=Q(records__gt=0, size__gt=0), name="an_archive_holds_more_than_nothing"
            ),
            models.CheckConstraint(
                condition=Q(Exact(Length("sha256"), 32)) & Q(Exact(Length("seal"), 32)),
                name="the_hash_and_the_seal_of_an_archive_are_sha_256",
            ),
            ExclusionConstraint(
                name="an_hour_is_in_one_archive",
                expressions=[
                    (
                        Func(
                            "from_hour", "until_hour", function="tstzrange", output_field=DateTimeRangeField()
                        ),
                        RangeOperators.OVERLAPS,
                    )
                ],
                condition=Q(restored_at__isnull=True),
            ),
        )

    def __str__(self) -> str:
        return self.file


class ArchivedEvent(models.Model):
    """The identity of an archived usage record, by which a repeated report of it is found.

    Like usage records these outgrow one machine. `content` is the hash of what a repeated report has to
    repeat besides `occurred_at` (sql/content_hash.sql).
    """

    pk = models.CompositePrimaryKey("customer_id", "event_id")
    customer = _customer()
    event_id = models.CharField(max_length=255, db_collation="C")
    occurred_at = models.DateTimeField()
    billing_hour = models.DateTimeField()
    content = models.BinaryField(max_length=32)
    reverses = models.CharField(max_length=255, null=True, db_collation="C")  # noqa: DJ001  # as in UsageRecord

    class Meta:
        constraints = (
            models.UniqueConstraint(
                "customer",
                "reverses",
                condition=Q(reverses__isnull=False),
                name="an_archived_record_is_reversed_once",
            ),
        )

    def __str__(self) -> str:
        return self.event_id
