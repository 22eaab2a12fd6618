"""The page that onboards a customer, and the summary that shows link and key once."""

import json
import shlex
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from accounts.models import Scope
from accounts.people.invitations import InvitationRefused, link_of
from accounts.preferences.forms import TIME_ZONES
from pricing.changes.apply import ChangesRefused
from pricing.changes.checks.steep import Unconfirmed
from pricing.changes.constraint_messages import constraint_of
from pricing.changes.limit_commands import limits_text
from pricing.models import ITEM_ORDER, BillingItem, CallSpecification, Price, price_text
from pricing.onboarding.forms import CODE_TAKEN, KEY, LIMITS, OWNER, PRICES, OnboardingForm
from pricing.onboarding.onboard import Onboarded, onboard_customer
from pricing.rules.amounts import amount_of, plain
from pricing.rules.measures import Measure
from pricing.words import list_text
from sensenova_billing.lib import clock


@permission_required("accounts.add_customer", raise_exception=True)
def onboard_page(request: HttpRequest) -> HttpResponse:
    """Ask for everything on one page; make all of it or nothing; show what was made."""
    form = OnboardingForm(
        request.POST if request.method == "POST" else None, now=clock.now(), sections=_sections(request)
    )
    if request.method == "POST" and form.is_valid():
        made = _onboard(request, form)
        if made is not None:
            return _summary(request, form, made)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Onboard a customer"),
        "form": form,
        "needs_approval": settings.PRICE_CHANGES_NEED_APPROVAL,
        "time_zones": TIME_ZONES,
        "back": reverse("admin:accounts_customer_changelist"),
    }
    return render(request, "admin/onboard.html", context)


def _sections(request: HttpRequest) -> set[str]:
    """Return the sections that this person may use, each as the page of its own decides."""
    user = request.user
    allowed = {
        OWNER: user.has_perm("accounts.add_user"),
        KEY: user.has_perm("accounts.add_servicekey"),
        LIMITS: admin.site.get_model_admin(CallSpecification).has_add_permission(request),
        PRICES: user.has_perm("pricing.change_price"),
    }
    return {section for section, may in allowed.items() if may}


def _onboard(request: HttpRequest, form: OnboardingForm) -> Onboarded | None:
    """Make everything; None if it is refused, with the reason on the form."""
    try:
        return onboard_customer(
            customer=form.instance,
            owner_email=form.cleaned_data.get("owner_email", ""),
            key=form.key(),
            limits=form.limits(),
            prices=form.prices,
            confirmed=request.POST.get("confirmed") == "yes",
            by=request.user.get_username(),
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
    except (InvitationRefused, ChangesRefused) as refused:
        form.add_error(None, str(refused))
    except Unconfirmed as unconfirmed:
        form.steep = unconfirmed.steep
        form.add_error(
            None, gettext("Tick that the figures named under own prices are meant, or correct them.")
        )
    except ValidationError as error:
        form.add_error(None, error)
    except IntegrityError as error:
        if constraint_of(error) != "a_customer_code_names_one_customer":
            raise
        form.add_error("code", CODE_TAKEN)  # by another person, since the form was checked
    return None


@sensitive_variables()
def _summary(request: HttpRequest, form: OnboardingForm, made: Onboarded) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": gettext("%(customer)s is onboarded") % {"customer": made.customer.name},
        "made": made,
        "scopes": list_text(map(str, made.key.scopes_in_words)) if made.key else "",
        "link": link_of(request, made.invitation_token) if made.invitation_token else "",
        "limits": [(one.service.name, limits_text(one)) for one in made.limits],
        "prices": list(_price_rows(form, made)),
        "begins_at": form.begins_at,
        "curl": _first_call(request, made),
        "customer_url": reverse("admin:accounts_customer_change", args=[made.customer.pk]),
    }
    return render(request, "admin/onboarded.html", context)


def _price_rows(form: OnboardingForm, made: Onboarded) -> Iterator[dict[str, Any]]:
    """Return each own price beside everybody's, and whether it is dearer."""
    general = {(one.billing_item.service.name, one.billing_item.measure): one for one in _general(form, made)}
    for row in made.prices:
        price = general.get((row.service, row.measure))
        text = price_text(
            kind=row.kind, digits=plain(row.unit_price), unit_size=row.unit_size, measure=Measure(row.measure)
        )
        yield {
            "name": f"{row.service} {Measure(row.measure).label.lower()}",
            "own": text,
            "general": price.text if price else "",
            "is_dearer": price is not None
            and _rate(row.unit_price, row.unit_size) > _rate(price.unit_price, price.unit_size),
        }


def _general(form: OnboardingForm, made: Onboarded) -> list[Price]:
    return list(form.general.values()) if made.prices else []


def _rate(unit_price: Decimal, unit_size: int) -> Decimal:
    return amount_of(quantity=1, unit_price=unit_price, unit_size=unit_size)


def _first_call(request: HttpRequest, made: Onboarded) -> str:
    """Return the command that reports a first call, if the key may do that."""
    item = BillingItem.objects.filter(measure=Measure.INPUT_TOKENS).order_by(*ITEM_ORDER).first()
    if made.key is None or Scope.USAGE_WRITE not in made.key.scopes or item is None:
        return ""
    call = {
        "event_id": "first-call",
        "customer": made.customer.code,
        "service": item.service.name,
        "occurred_at": f"{clock.now():%Y-%m-%dT%H:%M:%SZ}",
        "input_tokens": 1000,
        "output_tokens": 200,
    }
    base = settings.PUBLIC_URL.rstrip("/") or request.build_absolute_uri("/").rstrip("/")
    return (
        f"curl {base}{reverse('api_usage')} \\\n"
        '  -H "Authorization: Bearer $SENSENOVA_KEY" -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(call, ensure_ascii=False))}"
    )
