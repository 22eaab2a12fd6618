"""Changing prices in the admin: ask for the page, show what it would do, ask for the reason, do it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from invoices.admin_forms import ReasonForm
from invoices.price_impact.preview import STALE, preview_of
from invoices.price_impact.tables import effect_tables
from pricing.changes.announcements.forms import TakeBackForm
from pricing.changes.apply import ChangesRefused, StalePreview
from pricing.changes.approval import submit_rows
from pricing.changes.base_form import LONGEST_ACTION, PriceActionForm, is_key, offered_codes
from pricing.changes.checks.steep import NOT_CONFIRMED, Unconfirmed
from pricing.changes.forms import (
    ChangePriceForm,
    CopyPricesForm,
    EndPriceForm,
    NewItemForm,
    OfferForm,
    TrialForm,
)
from pricing.changes.rows import Row
from pricing.models import Proposal
from pricing.stored_words import stored_in_words
from pricing.timeline.view import outlook_now
from sensenova_billing.lib import clock
from sensenova_billing.lib.local_time import time_zones


@dataclass(frozen=True)
class PriceActionPage:
    """The page of a price action: title, form, the template that lays the form out, and what is changed."""

    title: str | Promise
    intro: str | Promise
    form: type[PriceActionForm]
    fields: str = "admin/price_change_fields.html"
    changes: str | Promise = _("prices")
    permission: str = "pricing.change_price"
    back: str = "admin:pricing_price_changelist"


def view_of(page: PriceActionPage) -> Callable[[HttpRequest], HttpResponse]:
    """Return the view of an action's page."""

    @never_cache
    @permission_required(page.permission, raise_exception=True)
    def view(request: HttpRequest) -> HttpResponse:
        with timezone.override(_zone(request)):
            return _show(request, page)

    return view


def _zone(request: HttpRequest) -> str:
    """Return the clock in which the query was written, so that a colleague sees the same instants."""
    wanted = request.GET.get("zone", "")
    return wanted if wanted in time_zones() else request.user.time_zone  # type: ignore[union-attr]


def _show(request: HttpRequest, page: PriceActionPage) -> HttpResponse:
    now = clock.now()
    # The form is in the query string at both steps, so that the rows applied are those that were previewed.
    price_form = page.form(request.GET, now=now)
    reason = ReasonForm(request.POST if request.method == "POST" else None)
    rows = _rows(price_form) if price_form.is_bound and price_form.is_valid() else []
    if rows:
        price_form.show_utc()
    if rows and request.method == "POST" and reason.is_valid():
        done = _do(request, page, price_form, rows, reason)
        if done is not None:
            return done
    preview = preview_of(rows=rows, now=now) if rows else None
    if preview and request.method == "POST" and request.POST.get("preview") != preview.fingerprint:
        reason.add_error(None, STALE)
    context = {
        **admin.site.each_context(request),
        "title": page.title,
        "page": page,
        "price_form": price_form,
        "form": reason,
        "preview": preview,
        "effects": [effect_tables(effect) for effect in preview.effects] if preview else [],
        "summary": price_form.summary() if rows else "",
        "needs_approval": settings.PRICE_CHANGES_NEED_APPROVAL,
        "zone": timezone.get_current_timezone_name(),
        "current": _current(price_form),
        "codes": offered_codes(),
        "back": reverse(page.back),
    }
    return render(request, "admin/price_change.html", context)


def _rows(price_form: PriceActionForm) -> Sequence[Row]:
    """Return the form's rows; on ValidationError none, with the error on the form."""
    try:
        return price_form.rows_to_apply()
    except ValidationError as error:
        price_form.add_error(None, error)
        return []


def _do(
    request: HttpRequest,
    page: PriceActionPage,
    price_form: PriceActionForm,
    rows: Sequence[Row],
    reason: ReasonForm,
) -> HttpResponse | None:
    """Apply or propose the rows and return a redirect; None if refused, with the reason on the form."""
    with translation.override("en"):  # as it is stored
        action = price_form.summary()[:LONGEST_ACTION]
    try:
        proposal = submit_rows(
            action=action,
            rows=rows,
            seen=request.POST.get("preview", ""),
            by=request.user.get_username(),
            reason=reason.cleaned_data["reason"],
            now=price_form.now,
            confirmed=request.POST.get("confirmed") == "yes",
        )
    except Unconfirmed:
        reason.add_error(None, NOT_CONFIRMED)
        return None
    except StalePreview:
        return None  # the page shows a new preview and says why
    except ChangesRefused as refused:
        reason.add_error(None, gettext("Nothing was changed. %(reason)s") % {"reason": refused})
        return None
    if proposal is None:
        messages.success(request, gettext("Done: %(what)s.") % {"what": price_form.summary()})
        return redirect(page.back)
    messages.success(request, _proposed(proposal))
    return redirect("admin:pricing_proposal_change", proposal.pk)


def _proposed(proposal: Proposal) -> str:
    url = reverse("admin:pricing_proposal_change", args=[proposal.pk])
    return format_html(
        gettext(
            'Proposed: <a class="underline" href="{}">{}</a>. Nothing has changed yet: it waits until '
            "a second person who may approve price changes, such as a billing admin, approves it."
        ),
        url,
        stored_in_words(proposal.deed),
    )


def _current(price_form: PriceActionForm) -> Any:
    """Return the current prices of the item that a link named, while the form is not filled in yet."""
    if price_form.is_bound or "item" not in price_form.fields:
        return None
    key = str(price_form.initial.get("item", ""))
    items = price_form.fields["item"].queryset  # type: ignore[attr-defined]
    item = items.filter(pk=key).first() if is_key(key) else None
    return outlook_now(item=item, now=price_form.now) if item else None


change_price = view_of(
    PriceActionPage(
        _("Change a price"),
        _(
            "One price of one billing item. What it replaces ends where it begins; what was used until then "
            "keeps the price it had."
        ),
        ChangePriceForm,
    )
)
announce_offer = view_of(
    PriceActionPage(
        _("Announce an offer"),
        _(
            "A limited-time offer for everybody, on as many billing items as you choose. The list price "
            "stays beneath it and counts again when the offer ends."
        ),
        OfferForm,
        "admin/pick_items.html",
    )
)
start_trial = view_of(
    PriceActionPage(
        _("Start a free trial"),
        _(
            "Billing items that cost nothing for everybody for a time. The price beneath counts again when "
            "the trial ends."
        ),
        TrialForm,
        "admin/pick_items.html",
    )
)
end_price = view_of(
    PriceActionPage(
        _("End or cancel prices"),
        _(
            "Offers, free trials and customers' own prices that end, or that are taken back before they "
            "begin."
        ),
        EndPriceForm,
        "admin/pick_prices.html",
    )
)
take_back_announcement = view_of(
    PriceActionPage(
        _("Take back an announcement"),
        _("All offers or free trials that were announced together, in one step."),
        TakeBackForm,
    )
)
copy_prices = view_of(
    PriceActionPage(
        _("Copy a customer's prices"),
        _("The own prices of one customer, from then on, for another customer as well."),
        CopyPricesForm,
    )
)
put_on_sale = view_of(
    PriceActionPage(
        _("Put an item on sale"),
        _("A billing item that a service does not charge for yet, with its first price for everybody."),
        NewItemForm,
    )
)
