"""The admin's first page: what is billed, whether anything needs attention, and what lies ahead."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.audit.entries import action_in_words, rows_in_words, table_in_words
from accounts.models import AuditEntry, Customer
from invoices.closing.totals import DAY_ZONE
from invoices.models import (
    Adjustment,
    EInvoiceRequest,
    HourlyBill,
    HourSeal,
    OnlinePayment,
    OpenHourAlarm,
    ParkedHour,
    PaymentCallback,
    QuotaOverrun,
    Verification,
)
from invoices.monitoring.alarms import Alarm, ClosingState, Level, state_of_closing
from invoices.monitoring.customer_revenue import customer_revenue
from invoices.monitoring.hour_calendar import DayRow, HourCell, HourState, calendar_of
from invoices.monitoring.prices_ahead import PricesChange, prices_ahead
from invoices.monitoring.revenue import Bar, Revenue, Span, read_amounts, revenue_of
from invoices.templatetags.amounts import in_rmb, rmb
from pricing.models import Price, Proposal
from pricing.rules.amounts import plain
from pricing.words import kind_name
from sensenova_billing.lib.local_time import hour_text, minute_text
from usage.billing_hours import database_now
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import StoreUnavailable
from usage.models import BillingHour, QuarantinedUsage, RefusedUsage

RECENT = 10
# Of each alarm the heading of its card and the list that tells more.
_CARDS: dict[str, tuple[str | Promise, type[Model]]] = {
    "unclosed": (_("Closing"), BillingHour),
    "open_hour": (_("Open hours"), OpenHourAlarm),
    "parked": (_("Parked hours"), ParkedHour),
    "late": (_("Late usage"), HourlyBill),
    "refused": (_("Refused usage"), RefusedUsage),
    "quarantine": (_("Usage in quarantine"), QuarantinedUsage),
    "above_quota": (_("Above the quota"), QuotaOverrun),
    "payment_mismatch": (_("Online payments"), PaymentCallback),
    "dispute": (_("Disputes"), OnlinePayment),
    "einvoice": (_("E-invoices"), EInvoiceRequest),
    "seals": (_("Seals"), HourSeal),
    "canary": (_("Canary customers"), Customer),
    "verification": (_("Verification"), Verification),
}
# Of lists that hold more than what the alarm is of.
_QUERIES = {
    "payment_mismatch": "?review=waits",
    "dispute": "?dispute=needs_response",
    "einvoice": "?state__exact=requested",
}
# A colour, and never it alone: the words and the sign say the same.
_SIGNS = {
    Level.OK: ("success", _("OK"), "check_circle"),
    Level.UNKNOWN: ("default", _("Not yet known"), "help"),
    Level.WARNING: ("warning", _("Needs attention"), "warning"),
    Level.ALARM: ("danger", _("Alarm"), "error"),
}
# What a cell of the calendar shows; the words are read out and shown when it is pointed at.
_HOUR_SIGNS = {
    HourState.CLOSED: ("✓", _("closed")),
    HourState.PARKED: ("!", _("parked")),
    HourState.OPEN: ("○", _("ended, not closed yet")),
    HourState.RUNNING: ("…", _("running")),
    HourState.UNUSED: ("", _("before the first closed hour")),
    HourState.AHEAD: ("", _("ahead")),
}


@dataclass(frozen=True)
class Card:
    """One alarm as the page shows it."""

    title: str | Promise
    text: str
    variant: str
    state: str | Promise
    icon: str
    href: str


def show_state(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the page's context what is billed, how everything stands and which prices change."""
    now = database_now()
    state = state_of_closing(now=now)
    return {
        **context,
        "closing_cards": [*(_card(alarm, request) for alarm in state.alarms), _refusals(request)],
        "proposals": state.proposals,
        "proposals_href": _list(Proposal, request),
        "adjustments": state.adjustments,
        "adjustments_href": _list(Adjustment, request),
        "einvoices": state.einvoices,
        "einvoices_href": _list(EInvoiceRequest, request),
        "zone": DAY_ZONE.key,
        **(_revenue(state, now=now) if request.user.has_perm("invoices.view_hourlybill") else {}),
        **(_changes() if request.user.has_perm("accounts.view_auditentry") else {}),
        **(_prices(now=now) if request.user.has_perm("pricing.view_price") else {}),
    }


def _revenue(state: ClosingState, *, now: dt.datetime) -> dict[str, Any]:
    amounts = read_amounts(now=now)
    revenue = revenue_of(amounts, now=now)
    calendar = calendar_of(
        closed=amounts, waiting=state.parked_by_hour, next_hour=state.unclosed_hour, now=now
    )
    closed_until = revenue.closed_until
    return {
        "revenue": revenue,
        "closed_until": minute_text(closed_until, DAY_ZONE) if closed_until else "",
        "figures": _figures(revenue),
        "charts": [
            _chart("hours", gettext("Last 48 closed hours"), gettext("48 hours before"), revenue.hours),
            _chart("days", gettext("Last 30 days"), gettext("30 days before"), revenue.days),
        ],
        "calendar": [_calendar_row(row) for row in calendar],
        "customers": customer_revenue(now=now, last_seal=state.last_seal),
    }


def _figures(revenue: Revenue) -> list[dict[str, str]]:
    """Return the key figures, each with what it is compared with."""
    compared = (
        (gettext("This month so far"), revenue.month, gettext("the month before to the same hour")),
        (gettext("Last 30 days"), revenue.days, gettext("the 30 days before")),
        (gettext("Last 48 closed hours"), revenue.hours, gettext("the 48 hours before")),
    )
    today = {
        "title": gettext("Today so far"),
        "amount": rmb(revenue.today),
        "exact": in_rmb(revenue.today),
        "before": "",
    }
    return [today, *(_figure(*one) for one in compared)]


def _figure(title: str, span: Span, before: str) -> dict[str, str]:
    return {
        "title": title,
        "amount": rmb(span.amount),
        "exact": in_rmb(span.amount),
        "before": _compared(span, before),
    }


def _compared(span: Span, before: str) -> str:
    """Return e.g. `+12 %, the 30 days before: RMB 100.00`, without a share where nothing can be compared."""
    words = {"before": before, "amount": rmb(span.before)}
    if span.before <= 0:
        return gettext("%(before)s: %(amount)s") % words
    words["change"] = f"{(span.amount - span.before) / span.before:+.0%}".replace("%", "")
    return gettext("%(change)s %%, %(before)s: %(amount)s") % words


def _chart(name: str, title: str, before: str, span: Span) -> dict[str, Any]:
    rows = [(_bar_text(name, bar), bar) for bar in span.bars]
    return {
        "name": name,
        "title": title,
        "before": before,
        "rows": [
            {"text": text, "is_open": bar.is_open, "amount": rmb(bar.amount), "before": rmb(bar.before)}
            for text, bar in reversed(rows)
        ],
        "data": {
            "labels": [text for text, _ in rows],
            "amounts": [plain(bar.amount) for _, bar in rows],
            "before": [plain(bar.before) for _, bar in rows],
            "open": [bar.is_open for _, bar in rows],
            "titles": [title, before],
            "unit": gettext("RMB"),
        },
    }


def _bar_text(name: str, bar: Bar) -> str:
    return (
        hour_text(bar.begins, DAY_ZONE) if name == "hours" else f"{bar.begins.astimezone(DAY_ZONE):%Y-%m-%d}"
    )


def _calendar_row(row: DayRow) -> dict[str, Any]:
    return {"day": row.day, "hours": [_calendar_cell(cell) for cell in row.hours]}


def _calendar_cell(cell: HourCell) -> dict[str, str]:
    sign, state = _HOUR_SIGNS[cell.state]
    words = str(state)
    href = ""
    if cell.state == HourState.PARKED:
        words = gettext("%(number)s parked") % {"number": f"{cell.parked:,}"}
        query = urlencode({"hour__hour": cell.hour.isoformat()})
        href = f"{reverse('admin:invoices_parkedhour_changelist')}?{query}"
    elif cell.state == HourState.CLOSED:
        href = reverse("admin:usage_billinghour_change", args=[cell.hour])
    text = gettext("%(hour)s: %(state)s") % {"hour": hour_text(cell.hour, DAY_ZONE), "state": words}
    return {"state": str(cell.state), "sign": sign, "text": text, "href": href}


def _changes() -> dict[str, Any]:
    """Return the newest entries of the audit trail in words; those of prices are among them."""
    entries = list(AuditEntry.objects.all()[:RECENT])
    names = rows_in_words(entries)
    return {
        "changes": [
            {
                "what": table_in_words(entry.table),
                "which": names[entry.pk],
                "action": action_in_words(entry),
                "by": entry.by,
                "at": minute_text(entry.at.replace(second=0, microsecond=0), DAY_ZONE),
                "href": reverse("admin:accounts_auditentry_change", args=[entry.pk]),
            }
            for entry in entries
        ],
        "changes_href": reverse("admin:accounts_auditentry_changelist"),
    }


def _prices(*, now: dt.datetime) -> dict[str, Any]:
    ahead = prices_ahead(now=now)
    return {
        "prices_begin": _price_rows(ahead.begin),
        "offers_end": _price_rows(ahead.end),
        "prices_href": reverse(f"admin:{Price._meta.app_label}_{Price._meta.model_name}_changelist"),
    }


def _price_rows(changes: Sequence[PricesChange]) -> list[dict[str, str]]:
    return [
        {
            "at": f"{minute_text(one.at, DAY_ZONE)}" if one.at else gettext("no end"),
            "kind": kind_name(one.kind),
            "what": one.services,
            "prices": ngettext("%(number)s price", "%(number)s prices", one.prices)
            % {"number": f"{one.prices:,}"},
            "customer": one.customer or gettext("everybody"),
        }
        for one in changes
    ]


def _card(alarm: Alarm, request: HttpRequest) -> Card:
    title, model = _CARDS[alarm.name]
    variant, state, icon = _SIGNS[alarm.level]
    href = _list(model, request)
    if href and alarm.level != Level.OK:
        href += _QUERIES.get(alarm.name, "")
    return Card(title=title, text=alarm.text, variant=variant, state=state, icon=icon, href=href)


def _refusals(request: HttpRequest) -> Card:
    """Return how many calls were refused, or that the store is unavailable."""
    href = reverse("refused_calls") if request.user.has_perm("usage.view_refusedcalls") else ""
    try:
        calls = sum(one.calls for one in call_windows().refusals())
    except StoreUnavailable:
        text = gettext("The store of the call limits is unavailable: no call is admitted.")
        level = Level.ALARM
    else:
        refused = ngettext(
            "%(number)s call was refused in the last 24 hours.",
            "%(number)s calls were refused in the last 24 hours.",
            calls,
        )
        none = gettext("No call was refused in the last 24 hours.")
        text, level = refused % {"number": f"{calls:,}"} if calls else none, Level.OK
    variant, state, icon = _SIGNS[level]
    return Card(title=gettext("Call limits"), text=text, variant=variant, state=state, icon=icon, href=href)


def _list(model: type[Model], request: HttpRequest) -> str:
    """Return the way to the admin's list, if it has one that this person may see."""
    app, name = model._meta.app_label, model._meta.model_name
    if not admin.site.is_registered(model) or not request.user.has_perm(f"{app}.view_{name}"):
        return ""
    return reverse(f"admin:{app}_{name}_changelist")
