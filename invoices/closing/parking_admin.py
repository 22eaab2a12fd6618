"""Parked hours in the admin: waiting ones first, with the reason; a release bills them."""

from functools import reduce
from operator import add
from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, F, IntegerField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from accounts.models import Customer
from invoices.admin_forms import ReasonForm
from invoices.closing.parking import NotReleasable, release
from invoices.models import HourlyBill, ParkedHour
from invoices.stored_words import parked_because
from invoices.templatetags.amounts import exact, grouped, instant_text
from pricing.models import Service
from pricing.rules.measures import WHOLES, Measure
from pricing.words import measure_name
from sensenova_billing.lib import clock
from sensenova_billing.lib.admin.base import ModelAdmin
from sensenova_billing.lib.admin.decorators import action, display
from sensenova_billing.lib.admin.labels import Label
from sensenova_billing.lib.admin.links import row_link
from sensenova_billing.lib.admin.lists import RobustUrlAdmin
from sensenova_billing.lib.admin.read_only import ReadOnlyAdmin
from usage.billing_hours import last_closed_hour
from usage.models import UsageRecord

WAITS, RELEASED, BILLED = gettext_noop("waits"), gettext_noop("released"), gettext_noop("billed")
STATES = {WAITS: "danger", RELEASED: "warning", BILLED: "success"}
_RANKS = list(STATES)
LARGEST_RECORDS = 10


class ParkedStateFilter(admin.SimpleListFilter):
    """Waits, released or billed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three states."""
        return [(state, gettext(state)) for state in STATES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those in the state that was chosen."""
        chosen = self.value()
        return queryset.filter(rank=_RANKS.index(chosen)) if chosen in STATES else queryset


class ParkedHourAdmin(RobustUrlAdmin, ReadOnlyAdmin, ModelAdmin):
    """Hours that were closed without a customer's bill, because the bill looks wrong."""

    list_display = (
        "code_text",
        "hour_utc",
        "state",
        "reason_text",
        "records_text",
        "amount_text",
        "what_is_done",
    )
    list_display_links = ("code_text", "hour_utc")
    list_filter = (ParkedStateFilter,)
    list_select_related = ("release",)
    search_fields = ("code", "reason")
    list_per_page = 50
    fields = (
        "customer_link", "hour_link", "reason_text", "records_text", "amount_text", "parked_text", "state",
        "what_is_done",
    )  # fmt: skip
    actions_detail = ("release",)
    change_form_outer_after_template = "admin/parked_records.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the customer's code, the bill if there is one, and the place of its state."""
        bill = HourlyBill.objects.filter(customer_id=OuterRef("customer_id"), hour_id=OuterRef("hour_id"))
        # Not by a join: the customer of a parked record may be unknown.
        code = Customer.objects.filter(pk=OuterRef("customer_id")).values("code")
        return (
            ParkedHour.objects.select_related("release")
            .annotate(
                code=Subquery(code),
                bill_pk=Subquery(bill.values("pk")[:1]),
                bill_number=Subquery(bill.values("number")[:1]),
            )
            .annotate(
                rank=Case(
                    When(bill_pk__isnull=False, then=Value(_RANKS.index(BILLED))),
                    When(release__isnull=False, then=Value(_RANKS.index(RELEASED))),
                    default=Value(_RANKS.index(WAITS)),
                    output_field=IntegerField(),
                )
            )
            .order_by(*self.get_ordering(request))
        )

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """What waits, longest first; then what is released; then what is billed, newest first."""
        waiting_since = Case(When(bill_pk__isnull=True, then=F("hour_id")))
        return ("rank", waiting_since.asc(nulls_last=True), F("hour_id").desc(), "customer_id")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Let the billing hours link to what is parked of them."""
        return lookup == "hour__hour" or super().lookup_allowed(lookup, value, request)

    @display(description=_("customer"), ordering="code")
    def code_text(self, parked: Any) -> str:
        """The code, or the number where there is no such customer."""
        return str(parked.code or _unknown(parked.customer_id))

    @display(description=_("customer"))
    def customer_link(self, parked: Any) -> str:
        """With a link, where there is one."""
        if parked.code is None:
            return str(self.code_text(parked))
        return row_link("accounts_customer", parked.customer_id, parked.code)

    @display(description=_("hour (UTC)"), ordering="hour_id")
    def hour_utc(self, parked: ParkedHour) -> str:
        """In UTC, as billing hours are."""
        return f"{parked.hour_id:%Y-%m-%d %H:%M}"

    @display(description=_("hour (UTC)"))
    def hour_link(self, parked: ParkedHour) -> str:
        """With a link."""
        return row_link("usage_billinghour", parked.hour_id, self.hour_utc(parked))

    @display(description=_("reason"), ordering="reason")
    def reason_text(self, parked: ParkedHour) -> str:
        """What looks wrong."""
        return parked_because(parked.reason)

    @display(description=_("records"), ordering="records")
    def records_text(self, parked: ParkedHour) -> str:
        """In thousands."""
        return grouped(parked.records)

    @display(description=_("amount (RMB)"), ordering="amount")
    def amount_text(self, parked: ParkedHour) -> str:
        """Every digit."""
        return exact(parked.amount)

    @display(description=_("parked (UTC)"))
    def parked_text(self, parked: ParkedHour) -> str:
        """To the second."""
        return instant_text(parked.parked_at)

    @display(description=_("state"), label=STATES, ordering="rank")
    def state(self, parked: Any) -> Label:
        """Waits, released or billed."""
        state = _RANKS[parked.rank]
        return Label(state, gettext(state))

    @display(description=_("next step"))
    def what_is_done(self, parked: Any) -> str:
        """The release with its reason, and the bill or when it is due."""
        released = getattr(parked, "release", None)
        if released is None:
            return gettext("Check the records, reverse wrong ones, then release the hour.")
        text = gettext("Released by %(by)s: %(reason)s") % {
            "by": released.released_by,
            "reason": released.reason,
        }
        if parked.bill_pk is not None:
            url = reverse("admin:invoices_hourlybill_change", args=[parked.bill_pk])
            return format_html('{} - <a class="underline" href="{}">{}</a>', text, url, parked.bill_number)
        last = last_closed_hour()
        if last is not None and released.billing_hour <= last:
            still = gettext("It still does not add up; each closing tries again.")
            return f"{text} - {still}"
        due = gettext("Its bill comes with the closing of %(hour)s.")
        return f"{text} - {due % {'hour': f'{released.billing_hour:%Y-%m-%d %H:%M}'}}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With the largest records."""
        parked = self.get_object(request, object_id)
        context = {"records": _largest_records(parked)} if parked else {}
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )
        return answer

    def has_release_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Those who may add releases, as long as there is none."""
        parked = self.get_object(request, object_id)
        return request.user.has_perm("invoices.add_release") and not hasattr(parked, "release")

    @action(description=_("Release"), url_path="release", permissions=["release"])
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, with the consequence shown; then let the next closing bill the hour."""
        parked = self.get_object(request, object_id)
        if parked is None:
            raise Http404
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            reason = form.cleaned_data["reason"]
            try:
                made = release(parked=parked, reason=reason, by=request.user.get_username(), now=clock.now())
            except NotReleasable as error:
                form.add_error(None, str(error))
            else:
                self.log_change(request, parked, f"Released: {made.reason}")
                done = gettext("Released: its bill comes with the closing of %(hour)s.")
                messages.success(request, done % {"hour": f"{made.billing_hour:%Y-%m-%d %H:%M}"})
                return redirect(reverse("admin:invoices_parkedhour_change", args=[parked.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Release %(hour)s UTC of %(customer)s")
            % {"hour": self.hour_utc(parked), "customer": self.code_text(parked)},
            "reason": self.reason_text(parked),
            "parked": parked,
            "form": form,
            "change_url": reverse("admin:invoices_parkedhour_change", args=[parked.pk]),
            "opts": self.opts,
        }
        return render(request, "admin/release.html", context)


def _unknown(number: int) -> str:
    return gettext("unknown (number %(number)s)") % {"number": number}


def _largest_records(parked: Any) -> dict[str, Any]:
    """Return the table of the largest records, each with a link to reverse it."""
    size = reduce(add, (Coalesce(F(measure), 0) for measure in WHOLES))
    found = UsageRecord.objects.filter(
        billing_hour=parked.hour_id, customer_id=parked.customer_id, is_charged=None
    )
    records = list(found.order_by(size.desc(), "event_id")[:LARGEST_RECORDS])
    # Not by a join: the service may be unknown too.
    services = Service.objects.in_bulk([record.service_id for record in records])
    reversed_ids = set(
        UsageRecord.objects.filter(
            customer_id=parked.customer_id, reverses__in=[record.event_id for record in records]
        ).values_list("reverses", flat=True)
    )
    measures = [measure for measure in Measure if any(record.quantity_of(measure) for record in records)]
    headers = [
        *(gettext("event id"), gettext("service"), gettext("used at (UTC)")),
        *(measure_name(measure) for measure in measures),
        "",
    ]
    rows = [
        [
            record.event_id,
            services.get(record.service_id) or _unknown(record.service_id),
            instant_text(record.occurred_at),
            *(grouped(record.quantity_of(measure)) for measure in measures),
            _record_link(parked, record, is_reversed=record.event_id in reversed_ids),
        ]
        for record in records
    ]
    return {"headers": headers, "rows": rows}


def _record_link(parked: Any, record: UsageRecord, *, is_reversed: bool) -> str:
    if parked.code is None:
        return gettext("cannot be reversed: unknown customer")
    words = gettext("view or reverse")
    if is_reversed or record.reverses:
        words = gettext("reversed") if is_reversed else gettext("a reversal")
    query = urlencode({"customer": parked.code, "event_id": record.event_id})
    return format_html('<a class="underline" href="{}?{}">{}</a>', reverse("usage_record"), query, words)
