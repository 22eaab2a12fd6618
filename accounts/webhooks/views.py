"""A customer's pages of webhooks. Owners manage endpoints, finance sees them, viewers do not."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.api_keys.customer_access import customer_of_finance, customer_of_owner, is_owner
from accounts.customer_page import customer_page
from accounts.models import Customer, WebhookDelivery, WebhookEndpoint
from accounts.webhooks.addresses import AddressRefused
from accounts.webhooks.endpoints import (
    EndpointRefused,
    add_endpoint,
    choose_kinds,
    disable_endpoint,
    enable_endpoint,
    endpoints_of,
    remove_endpoint,
    resend,
    rotate_secret,
    send_test,
)
from accounts.webhooks.events import body_of
from accounts.webhooks.forms import DeliveriesForm, EndpointForm, KindsForm, RotateSecretForm
from sensenova_billing.lib import clock

DELIVERIES_A_PAGE = 50
ATTEMPTS_SHOWN = 50


@never_cache
@login_required
@require_safe
def customer_webhooks(request: HttpRequest, code: str) -> HttpResponse:
    """The endpoints, newest first."""
    customer = customer_of_finance(person=request.user, code=code)
    context = {
        "endpoints": endpoints_of(customer),
        "may_manage": is_owner(person=request.user, customer=customer),
    }
    return customer_page(request, "webhooks.html", customer, context)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def add_webhook(request: HttpRequest, code: str) -> HttpResponse:
    """Ask for address and events; then add the endpoint and show its secret."""
    customer = customer_of_owner(person=request.user, code=code)
    form = EndpointForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            endpoint = add_endpoint(
                customer=customer, **form.cleaned_data, by=request.user.get_username(), now=clock.now()
            )
        except AddressRefused as refusal:
            form.add_error("url", str(refusal))
        except EndpointRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            return _show_once(request, endpoint, endpoint.secret)
    return _form_page(request, "add_webhook.html", customer, form)


@never_cache
@login_required
@require_safe
def customer_webhook(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """An endpoint with its deliveries, newest first."""
    customer = customer_of_finance(person=request.user, code=code)
    endpoint = _own(customer, pk)
    form = DeliveriesForm(request.GET)
    older_than = form.cleaned_data["older_than"] if form.is_valid() else ""
    deliveries = endpoint.deliveries.select_related("event")
    if older_than:
        deliveries = deliveries.filter(pk__lt=int(older_than))
    page = list(deliveries[: DELIVERIES_A_PAGE + 1])
    context = {
        "endpoint": endpoint,
        "is_rotating": len(endpoint.secrets_at(clock.now())) > 1,
        "deliveries": page[:DELIVERIES_A_PAGE],
        "is_continued": bool(older_than),
        "older_than": page[DELIVERIES_A_PAGE - 1].pk if len(page) > DELIVERIES_A_PAGE else None,
        "may_manage": is_owner(person=request.user, customer=customer),
    }
    return customer_page(request, "webhook.html", customer, context, status=200 if form.is_valid() else 400)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def choose_webhook_events(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Ask which events are to be sent."""
    customer = customer_of_owner(person=request.user, code=code)
    endpoint = _own(customer, pk)
    form = KindsForm(request.POST if request.method == "POST" else None, initial={"kinds": endpoint.kinds})
    if form.is_valid():
        choose_kinds(endpoint=endpoint, **form.cleaned_data, by=request.user.get_username())
        messages.success(request, gettext("The events are saved."))
        return redirect("customer_webhook", customer.code, pk)
    return _form_page(request, "webhook_events.html", customer, form, endpoint=endpoint)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def rotate_webhook_secret(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Ask how long the old secret is to be used too; then make the new one and show it."""
    customer = customer_of_owner(person=request.user, code=code)
    endpoint = _own(customer, pk)
    form = RotateSecretForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            secret = rotate_secret(
                endpoint=endpoint, **form.cleaned_data, by=request.user.get_username(), now=clock.now()
            )
        except EndpointRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            endpoint.refresh_from_db()
            return _show_once(request, endpoint, secret)
    is_rotating = len(endpoint.secrets_at(clock.now())) > 1
    return _form_page(
        request, "rotate_webhook_secret.html", customer, form, endpoint=endpoint, is_rotating=is_rotating
    )


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def remove_webhook(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Ask first, naming the consequence; then remove the endpoint."""
    customer = customer_of_owner(person=request.user, code=code)
    endpoint = _own(customer, pk)
    if request.method == "POST":
        remove_endpoint(endpoint=endpoint, by=request.user.get_username(), now=clock.now())
        messages.success(request, gettext("%(url)s is removed.") % {"url": endpoint.url})
        return redirect("customer_webhooks", customer.code)
    return customer_page(request, "remove_webhook.html", customer, {"endpoint": endpoint})


@never_cache
@login_required
@require_POST
def disable_webhook(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Send nothing more."""
    endpoint = _own(customer_of_owner(person=request.user, code=code), pk)
    disable_endpoint(endpoint=endpoint, by=request.user.get_username(), now=clock.now())
    messages.success(request, gettext("The endpoint is disabled: nothing is sent to it."))
    return redirect("customer_webhook", code, pk)


@never_cache
@login_required
@require_POST
def enable_webhook(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Send events from now on."""
    endpoint = _own(customer_of_owner(person=request.user, code=code), pk)
    enable_endpoint(endpoint=endpoint, by=request.user.get_username())
    messages.success(request, gettext("The endpoint is enabled: events are sent to it from now on."))
    return redirect("customer_webhook", code, pk)


@never_cache
@login_required
@require_POST
def test_webhook(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Let a test event be sent."""
    endpoint = _own(customer_of_owner(person=request.user, code=code), pk)
    return _queue(
        request,
        endpoint,
        lambda: send_test(endpoint=endpoint, by=request.user.get_username(), now=clock.now()),
        gettext("A test is sent within some seconds. Reload this page to see what came of it."),
    )


@never_cache
@login_required
@require_safe
def webhook_delivery(request: HttpRequest, code: str, pk: int, delivery: int) -> HttpResponse:
    """What was sent of an event, and each attempt with the beginning of its answer."""
    customer = customer_of_finance(person=request.user, code=code)
    found = _own_delivery(customer, pk, delivery)
    context = {
        "endpoint": found.endpoint,
        "delivery": found,
        "body": body_of(found.event, indent=2),
        "attempts": found.attempts.all()[:ATTEMPTS_SHOWN],
        "may_manage": is_owner(person=request.user, customer=customer),
    }
    return customer_page(request, "webhook_delivery.html", customer, context)


@never_cache
@login_required
@require_POST
def resend_webhook(request: HttpRequest, code: str, pk: int, delivery: int) -> HttpResponse:
    """Let an event be sent once more."""
    found = _own_delivery(customer_of_owner(person=request.user, code=code), pk, delivery)
    return _queue(
        request,
        found.endpoint,
        lambda: resend(delivery=found, by=request.user.get_username(), now=clock.now()),
        gettext("The event is sent again within some seconds, with the same id."),
    )


def _queue(
    request: HttpRequest, endpoint: WebhookEndpoint, act: Callable[[], Any], done: str
) -> HttpResponse:
    try:
        act()
    except EndpointRefused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, done)
    return redirect("customer_webhook", endpoint.customer.code, endpoint.pk)


def _own(customer: Customer, pk: int) -> WebhookEndpoint:
    return get_object_or_404(endpoints_of(customer).select_related("customer"), pk=pk)


def _own_delivery(customer: Customer, pk: int, delivery: int) -> WebhookDelivery:
    endpoint = _own(customer, pk)
    return get_object_or_404(endpoint.deliveries.select_related("event", "endpoint__customer"), pk=delivery)


def _form_page(
    request: HttpRequest, template: str, customer: Customer, form: Any, **context: Any
) -> HttpResponse:
    status = 400 if form.errors else 200
    return customer_page(request, template, customer, {"form": form, **context}, status=status)


def _show_once(request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    context = {"endpoint": endpoint, "secret": secret}
    return customer_page(request, "new_webhook_secret.html", endpoint.customer, context)
