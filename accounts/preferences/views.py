"""Settings: a customer's, for its owners and finance people; and each person's own."""

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.api_keys.customer_access import customer_of_finance
from accounts.audit.context import audit_context
from accounts.audit.edit_conflicts import versioned_form
from accounts.customer_page import customer_page
from accounts.models import User
from accounts.preferences.forms import TIME_ZONES, AccountForm, SettingsForm
from accounts.sign_in.language import forget_language, remember_language
from sensenova_billing.lib.countries import COUNTRIES


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def customer_settings(request: HttpRequest, code: str) -> HttpResponse:
    """The clock of a customer's pages, and what stands on documents as the buyer."""
    customer = customer_of_finance(person=request.user, code=code)
    form, is_saved = _edit(request, SettingsForm, customer)
    if is_saved:
        messages.success(request, gettext("The settings are saved."))
        return redirect("customer_settings", customer.code)
    context = {"form": form, "time_zones": TIME_ZONES, "countries": sorted(COUNTRIES)}
    return customer_page(request, "settings.html", customer, context, status=400 if form.errors else 200)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """A person's name and language."""
    person = cast(User, request.user)
    form, is_saved = _edit(request, AccountForm, person)
    if is_saved:
        messages.success(request, gettext("Your account is saved."))
        response = redirect("account")
        if form.instance.language:
            remember_language(response, form.instance)
        elif person.language:
            forget_language(response)
        return response
    return render(request, "account.html", {"form": form}, status=400 if form.errors else 200)


def _edit(request: HttpRequest, form: Any, row: models.Model) -> tuple[Any, bool]:
    """Return the form for this row, and whether what was sent is saved."""
    if request.method != "POST":
        return versioned_form(form, row), False
    with audit_context(by=request.user.get_username()):
        sent = versioned_form(form, row, data=request.POST)
        if not sent.is_valid():
            return sent, False
        sent.instance.save(update_fields=list(form.base_fields))
        return sent, True
