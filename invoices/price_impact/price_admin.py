"""Changing prices in the admin: ask for the deed, show what it would do, ask for the reason, do it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.cache import never_cache

from accounts.models import Customer
from invoices.admin_forms import ReasonForm
from invoices.price_impact.preview import STALE, plan_of
from invoices.price_impact.tables import effect_tables
from pricing.changes.apply import CatalogueMoved, PlanRefused
from pricing.changes.approval import submit_rows
from pricing.changes.base_form import LONGEST_DEED, DeedForm, is_key
from pricing.changes.forms import (
    ChangePriceForm,
    CopyPricesForm,
    EndPriceForm,
    NewItemForm,
    OfferForm,
    TrialForm,
)
from pricing.changes.rows import PriceRow
from pricing.models import Proposal
from pricing.timeline.view import outlook_now
from sensenova_billing.lib import clock

OFFERED_CODES = 500


@dataclass(frozen=True)
class Deed:
    """What can be done with prices: its page's title, its form, and how the form is laid out."""

    title: str
    intro: str
    form: type[DeedForm]
    fields: str = "admin/deed_fields.html"


def _door(deed: Deed) -> Callable[[HttpRequest], HttpResponse]:
    """Return the page of a deed."""

    @never_cache
    @permission_required("pricing.change_price", raise_exception=True)
    def door(request: HttpRequest) -> HttpResponse:
        return _show(request, deed)

    return door


def _show(request: HttpRequest, deed: Deed) -> HttpResponse:
    now = clock.now()
    # Both steps send what is to be done in the address, so that what is done is what was shown.
    asked = deed.form(request.GET, now=now)
    reason = ReasonForm(request.POST if request.method == "POST" else None)
    rows = _rows(asked) if asked.is_bound and asked.is_valid() else []
    if rows and request.method == "POST" and reason.is_valid():
        done = _do(request, asked, rows, reason)
        if done is not None:
            return done
    plan = plan_of(rows=rows, now=now) if rows else None
    if plan and request.method == "POST" and request.POST.get("plan") != plan.fingerprint:
        reason.add_error(None, STALE)
    context = {
        **admin.site.each_context(request),
        "title": deed.title,
        "deed": deed,
        "asked": asked,
        "form": reason,
        "plan": plan,
        "effects": [effect_tables(effect) for effect in plan.effects] if plan else [],
        "words": asked.words() if rows else "",
        "needs_approval": settings.PRICE_CHANGES_NEED_APPROVAL,
        "current": _current(asked),
        "codes": Customer.objects.order_by("code").values_list("code", flat=True)[:OFFERED_CODES],
        "back": reverse("admin:pricing_price_changelist"),
    }
    return render(request, "admin/deed.html", context)


def _rows(asked: DeedForm) -> list[PriceRow]:
    """Return the rows of the deed, or say at the form why there are none."""
    try:
        return asked.rows()
    except ValidationError as error:
        asked.add_error(None, error)
        return []


def _do(
    request: HttpRequest, asked: DeedForm, rows: list[PriceRow], reason: ReasonForm
) -> HttpResponse | None:
    """Do it or propose it, and say so; or say at the form why not."""
    words = asked.words()
    try:
        proposal = submit_rows(
            deed=words[:LONGEST_DEED],
            rows=rows,
            seen=request.POST.get("plan", ""),
            by=request.user.get_username(),
            reason=reason.cleaned_data["reason"],
            now=asked.now,
        )
    except CatalogueMoved:
        return None  # the page says so, beside what it would do now
    except PlanRefused as refused:
        reason.add_error(None, f"Nothing was done. {refused}")
        return None
    if proposal is None:
        messages.success(request, f"Done: {words}.")
        return redirect("admin:pricing_price_changelist")
    messages.success(request, _proposed(proposal))
    return redirect("admin:pricing_proposal_change", proposal.pk)


def _proposed(proposal: Proposal) -> str:
    url = reverse("admin:pricing_proposal_change", args=[proposal.pk])
    return format_html(
        'Proposed: <a class="underline" href="{}">{}</a>. Nothing has changed yet: it waits until '
        "somebody else who may approve price changes, such as a billing admin, approves it.",
        url,
        proposal.deed,
    )


def _current(asked: DeedForm) -> Any:
    """Return the prices as they are of the one item that a link named, before anything else is asked."""
    if asked.is_bound or "item" not in asked.fields:
        return None
    key = str(asked.initial.get("item", ""))
    items = asked.fields["item"].queryset  # type: ignore[attr-defined]
    item = items.filter(pk=key).first() if is_key(key) else None
    return outlook_now(item=item, now=asked.now) if item else None


change_price = _door(
    Deed(
        "Change a price",
        "One price of one billing item. What it replaces ends where it begins; what was used until then "
        "keeps the price it had.",
        ChangePriceForm,
    )
)
announce_offer = _door(
    Deed(
        "Announce an offer",
        "A limited-time offer for everybody, on as many billing items as you choose. The list price stays "
        "beneath it and counts again when the offer ends.",
        OfferForm,
        "admin/pick_items.html",
    )
)
start_trial = _door(
    Deed(
        "Start a free trial",
        "Billing items that cost nothing for everybody for a time. The price beneath counts again when the "
        "trial ends.",
        TrialForm,
        "admin/pick_items.html",
    )
)
end_price = _door(
    Deed(
        "End or cancel prices",
        "Offers, free trials and customers' own prices that end, or that are taken back before they begin.",
        EndPriceForm,
        "admin/pick_prices.html",
    )
)
copy_prices = _door(
    Deed(
        "Copy a customer's prices",
        "The own prices of one customer, from then on, for another customer as well.",
        CopyPricesForm,
    )
)
put_on_sale = _door(
    Deed(
        "Put an item on sale",
        "A billing item that a service does not charge for yet, with its first price for everybody.",
        NewItemForm,
    )
)
