"""Mail to a customer's owners about an endpoint to which nothing is sent any more, in their languages."""

import datetime as dt
from collections.abc import Iterator
from functools import partial

from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext

from accounts.models import Member, MemberRole, WebhookEndpoint
from accounts.sign_in.mail import in_each_language
from sensenova_billing.lib.mail import PAUSE, are_sent, is_mail_sent, locked, send_in_turn, site_url


def mail_disabled_endpoints(*, now: dt.datetime) -> int:
    """Mail owners of endpoints that were disabled, each once, until one cannot be sent; return how many."""
    return send_in_turn(_mail_next, now=now) if is_mail_sent() else 0


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    waiting = WebhookEndpoint.objects.filter(mail_after__lte=now).select_related("customer")
    endpoint = locked(waiting).order_by("mail_after").first()
    if endpoint is None:
        return False
    is_done = are_sent(_messages(endpoint), about=f"the webhook endpoint {endpoint.pk}")
    endpoint.mail_after = None if is_done else now + PAUSE
    endpoint.save(update_fields=["mail_after"])
    return is_done


def _messages(endpoint: WebhookEndpoint) -> Iterator[EmailMessage]:
    """Make them for the owners; there may be none."""
    owners = Member.objects.filter(
        customer=endpoint.customer, role=MemberRole.OWNER, user__is_active=True
    ).order_by("user__email")
    return in_each_language(owners.values_list("user__email", flat=True), partial(_message, endpoint))


def _message(endpoint: WebhookEndpoint, to: list[str]) -> EmailMessage:
    path = reverse("customer_webhook", args=[endpoint.customer.code, endpoint.pk])
    context = {"endpoint": endpoint, "link": site_url(path) if site_url("") else ""}
    return EmailMessage(
        subject=gettext("A webhook endpoint of %(customer)s was disabled")
        % {"customer": endpoint.customer.name},
        body=render_to_string("mail/webhook_disabled.txt", context),
        to=to,
    )
