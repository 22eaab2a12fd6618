"""Mails invitations that wait, each in a transaction of its own, by whichever worker has locked its row.

The link's secret is made for the mail, so it is in no row and no queue. One that was not sent is tried again.
"""

import datetime as dt

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.audit.context import set_audit_context
from accounts.models import Invitation
from accounts.people.invitations import new_link_token
from accounts.sign_in.mail import is_mail_set_up, language_of, mail_link
from sensenova_billing.lib.mail import PAUSE, locked, send_in_turn


def mail_invitations(*, now: dt.datetime) -> int:
    """Mail invitations until none waits or one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if is_mail_set_up() else 0


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    waiting = Invitation.objects.open().filter(mail_after__lte=now, expires_at__gt=now)
    invitation = locked(waiting).order_by("pk").first()
    if invitation is None:
        return False
    set_audit_context(by=invitation.invited_by, reason="Its mail was sent.")
    token = new_link_token(invitation)
    is_sent = mail_link(
        to=invitation.email,
        subject=_("Invitation to SenseNova Billing"),
        template="mail/invitation.txt",
        path=reverse("accept_invitation", args=[token]),
        language=language_of(invitation.email, invitation.invited_by),
        invitation=invitation,
    )
    if is_sent:
        invitation.mailed_at, invitation.mail_after = now, None
        invitation.save(update_fields=["secret_sha256", "mailed_at", "mail_after"])
    else:
        Invitation.objects.filter(pk=invitation.pk).update(mail_after=now + PAUSE)
    return is_sent
