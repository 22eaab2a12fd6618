"""The admin's first page: whether anything needs looking at, before the lists of everything."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from invoices.models import HourlyBill, ParkedHour, QuotaOverrun, Verification
from invoices.monitoring.alarms import Alarm, Level, state_of_closing
from pricing.models import Decision, Proposal
from usage.billing_hours import database_now
from usage.limits.stores.choice import call_windows
from usage.limits.stores.windows import StoreUnavailable
from usage.models import BillingHour, QuarantinedUsage, RefusedUsage

# Of each alarm the heading of its card and the list that tells more.
_CARDS: dict[str, tuple[str, type[Model]]] = {
    "unclosed": ("Closing", BillingHour),
    "parked": ("Parked hours", ParkedHour),
    "late": ("Late usage", HourlyBill),
    "refused": ("Refused usage", RefusedUsage),
    "quarantine": ("Usage in quarantine", QuarantinedUsage),
    "above_quota": ("Above the quota", QuotaOverrun),
    "verification": ("Verification", Verification),
}
# A colour, and never it alone: the words and the sign say the same.
_SIGNS = {
    Level.OK: ("success", "OK", "check_circle"),
    Level.WARNING: ("warning", "Needs attention", "warning"),
    Level.ALARM: ("danger", "Alarm", "error"),
}


@dataclass(frozen=True)
class Card:
    """One alarm as the page shows it."""

    title: str
    text: str
    variant: str
    state: str
    icon: str
    href: str


def show_state(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the page's context how the closing, the books and the call limits stand."""
    state = state_of_closing(now=database_now())
    return context | {
        "closing_cards": [*(_card(alarm, request) for alarm in state.alarms), _refusals(request)],
        "proposals": Proposal.objects.filter(decision=Decision.NONE).count(),
        "proposals_href": _list(Proposal, request),
    }


def _card(alarm: Alarm, request: HttpRequest) -> Card:
    title, model = _CARDS[alarm.name]
    variant, state, icon = _SIGNS[alarm.level]
    return Card(
        title=title, text=alarm.text, variant=variant, state=state, icon=icon, href=_list(model, request)
    )


def _refusals(request: HttpRequest) -> Card:
    """Return how many calls were refused, or that the store is unavailable."""
    href = reverse("refused_calls") if request.user.has_perm("usage.view_refusedcalls") else ""
    try:
        calls = sum(one.calls for one in call_windows().refusals())
    except StoreUnavailable:
        text, level = "The store of the call limits is unavailable: no call is admitted.", Level.ALARM
    else:
        text = f"{calls:,} {'call was' if calls == 1 else 'calls were'} refused in the last 24 hours."
        text, level = text if calls else "No call was refused in the last 24 hours.", Level.OK
    variant, state, icon = _SIGNS[level]
    return Card(title="Call limits", text=text, variant=variant, state=state, icon=icon, href=href)


def _list(model: type[Model], request: HttpRequest) -> str:
    """Return the way to the admin's list, if it has one that this person may see."""
    app, name = model._meta.app_label, model._meta.model_name
    if not admin.site.is_registered(model) or not request.user.has_perm(f"{app}.view_{name}"):
        return ""
    return reverse(f"admin:{app}_{name}_changelist")
