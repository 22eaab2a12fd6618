"""A customer's pages of API keys. Members see the list; making, rotating and revoking is for owners.

The text of a new key is in the answer that made it and nowhere else.
"""

import datetime as dt
from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.api_keys.customer_access import customer_of_owner, customer_of_person, is_owner
from accounts.api_keys.new_key_fields import SUBMITTED_TWICE, made_at_the_same_time
from accounts.customer_keys.forms import EndedKeysForm, MakeKeyForm, RotateKeyForm
from accounts.customer_keys.own_keys import (
    KeyRefused,
    ended_keys,
    live_keys,
    make_key,
    revoke_key,
    rotate_key,
)
from accounts.customer_page import customer_page
from accounts.models import Customer, ServiceKey
from sensenova_billing.lib import clock

ENDED_A_PAGE = 50


@never_cache
@login_required
@require_safe
def customer_keys(request: HttpRequest, code: str) -> HttpResponse:
    """The keys that are accepted, and those that are not any more, newest first."""
    customer = customer_of_person(person=request.user, code=code)
    now = clock.now()
    form = EndedKeysForm(request.GET)
    older_than = form.cleaned_data["older_than"] if form.is_valid() else ""
    ended = ended_keys(customer=customer, at=now)
    if older_than:
        ended = ended.filter(pk__lt=int(older_than))
    page = list(ended[: ENDED_A_PAGE + 1])
    context = {
        "live": live_keys(customer=customer, at=now),
        "ended": page[:ENDED_A_PAGE],
        "is_continued": bool(older_than),
        "older_than": page[ENDED_A_PAGE - 1].pk if len(page) > ENDED_A_PAGE else None,
        "may_manage": is_owner(person=request.user, customer=customer),
    }
    return customer_page(request, "keys.html", customer, context, status=200 if form.is_valid() else 400)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def make_customer_key(request: HttpRequest, code: str) -> HttpResponse:
    """Ask what the key is for; then make it and show its text."""
    customer = customer_of_owner(person=request.user, code=code)
    now = clock.now()
    form = MakeKeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        cleaned = form.cleaned_data
        made = _attempt(
            form,
            lambda: make_key(
                customer=customer,
                name=cleaned["name"],
                scopes=cleaned["scopes"],
                lasts=cleaned["lasts"],
                public_id=cleaned["new_id"],
                by=request.user.get_username(),
                now=now,
            ),
        )
        if made:
            return _show_once(request, customer, made)
    return customer_page(
        request, "make_key.html", customer, {"form": form}, status=400 if form.errors else 200
    )


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def rotate_customer_key(request: HttpRequest, code: str, public_id: str) -> HttpResponse:
    """Ask how long the old key is to be accepted; then make the new one and show its text."""
    customer, key, now = _own_key(request, code, public_id)
    form = RotateKeyForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        made = _attempt(
            form,
            lambda: rotate_key(
                key=key,
                overlap=form.cleaned_data["overlap"],
                public_id=form.cleaned_data["new_id"],
                by=request.user.get_username(),
                now=now,
            ),
        )
        if made:
            key.refresh_from_db()
            return _show_once(request, customer, made, old=key)
    context = {"form": form, "key": key, "is_live": key.is_live(at=now)}
    return customer_page(request, "rotate_key.html", customer, context, status=400 if form.errors else 200)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_customer_key(request: HttpRequest, code: str, public_id: str) -> HttpResponse:
    """Ask first, naming the consequence; then refuse the key from now on."""
    customer, key, now = _own_key(request, code, public_id)
    if request.method == "POST":
        revoke_key(key=key, by=request.user.get_username(), now=now)
        messages.success(
            request,
            gettext("%(key)s is revoked: requests with it are refused from now on.") % {"key": key.prefix},
        )
        return redirect("customer_keys", customer.code)
    return customer_page(request, "revoke_key.html", customer, {"key": key, "is_live": key.is_live(at=now)})


def _own_key(request: HttpRequest, code: str, public_id: str) -> tuple[Customer, ServiceKey, dt.datetime]:
    customer = customer_of_owner(person=request.user, code=code)
    # No id holds a NUL, and PostgreSQL takes no parameter with one.
    key = get_object_or_404(
        ServiceKey.objects.select_related("customer"),
        customer=customer,
        public_id=public_id.replace("\0", ""),
    )
    return customer, key, clock.now()


def _attempt(form: forms.Form, make: Callable[[], tuple[ServiceKey, str]]) -> tuple[ServiceKey, str] | None:
    """Return what was made; or None, with the reason on the form."""
    try:
        return make()
    except KeyRefused as refusal:
        form.add_error(None, str(refusal))
    except IntegrityError as error:
        if not made_at_the_same_time(error):
            raise
        form.add_error(None, str(SUBMITTED_TWICE))
    return None


def _show_once(
    request: HttpRequest, customer: Customer, made: tuple[ServiceKey, str], *, old: ServiceKey | None = None
) -> HttpResponse:
    key, text = made
    return customer_page(request, "new_key.html", customer, {"key": key, "text": text, "old": old})
