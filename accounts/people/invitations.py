"""Invitations: a person gets a link, chooses a password of their own, and is a member.

The link holds a signed random secret, works once and for a week, and is mailed by a worker; where no mail can
be sent, the inviting person gets it to hand it over. A new link makes the earlier one of its invitation void.
"""

import datetime as dt
import hashlib
import secrets

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from accounts.audit.context import audit_context
from accounts.models import Customer, Invitation, Member, User
from accounts.sign_in.mail import is_mail_set_up
from sensenova_billing.lib.mail import site_url

LASTS = dt.timedelta(days=7)
MOST_PEOPLE = 200  # members of a customer, and invitations that may be accepted
PAUSE = dt.timedelta(minutes=5)  # between two mails of one invitation

_SIGNER = Signer(salt="accounts.invitations")  # of links that were sent, so it does not follow the module


class InvitationRefused(Exception):
    """Nothing was done with an invitation, for this reason."""


def invite(
    *, customer: Customer | None, email: str, role: str, by: str, reason: str = "", now: dt.datetime
) -> tuple[Invitation, str]:
    """Invite a person, or once more; return the invitation and, unless it is mailed, the token of its link.

    Without a customer (and a role) the person only becomes one who signs in. Raise InvitationRefused for one
    who is a member already, for too many people, and for a mail that was sent just now.
    """
    with audit_context(by=by, reason=reason):
        if customer is not None:
            # Two who invite the same person, or the last one there may be, wait for each other here.
            customer = Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        _refuse_known(customer, email)
        invitation = _open_invitation(customer, email)
        if invitation is None:
            _leave_room(customer)
            invitation = Invitation(customer=customer, email=email)
        if invitation.mailed_at and now < invitation.mailed_at + PAUSE:
            raise InvitationRefused(gettext("This invitation was mailed a moment ago. Wait some minutes."))
        invitation.role, invitation.invited_by, invitation.invited_at = role, by, now
        return invitation, _renew_link(invitation, now=now)


def withdraw(*, invitation: Invitation, by: str, now: dt.datetime) -> None:
    """Let an invitation be accepted no more; one that was accepted stays so."""
    with audit_context(by=by):
        Invitation.objects.open().filter(pk=invitation.pk).update(withdrawn_at=now, mail_after=None)


def find_invitation(*, token: str, now: dt.datetime, for_update: bool = False) -> Invitation | None:
    """Return the invitation of this link if it can be accepted."""
    digest = _digest_of(token)
    if digest is None:
        return None
    rows = Invitation.objects.select_related("customer")
    if for_update:
        rows = rows.select_for_update(of=("self",))
    found = rows.filter(secret_sha256=digest).first()
    return found if found and found.is_open(at=now) else None


def accept(*, token: str, person: User, now: dt.datetime) -> Invitation:
    """Make the invited person, who has signed in, a member; or raise InvitationRefused."""
    with audit_context(by=person.email):
        invitation = _found(token, now)
        if not person.is_active or person.email.lower() != invitation.email.lower():
            raise InvitationRefused(gettext("This invitation is for another person."))
        _join(invitation, person, now=now)
    return invitation


def accept_as_new(*, token: str, name: str, password: str, now: dt.datetime) -> User:
    """Make the invited person one who signs in, and a member; or raise InvitationRefused."""
    found = find_invitation(token=token, now=now)
    with audit_context(by=found.email if found else ""):
        invitation = _found(token, now)
        if person_of(invitation):
            raise InvitationRefused(gettext("There is an account with this e-mail already. Sign in with it."))
        person = User.objects.create_user(invitation.email, password, name=name)
        _join(invitation, person, now=now)
    return person


def person_of(invitation: Invitation) -> User | None:
    """Return the person with the e-mail address of an invitation, if there is one."""
    return User.objects.filter(email__iexact=invitation.email).first()


def link_of(request: HttpRequest, token: str) -> str:
    """Return the link of an invitation that is to be handed over."""
    path = reverse("accept_invitation", args=[token])
    return site_url(path) if settings.PUBLIC_URL else request.build_absolute_uri(path)


def new_link_token(invitation: Invitation) -> str:
    """Give an invitation a new secret, and return the token of its link, which is stored nowhere."""
    secret = secrets.token_urlsafe(32)
    invitation.secret_sha256 = hashlib.sha256(secret.encode()).digest()
    return _SIGNER.sign(secret)


def _found(token: str, now: dt.datetime) -> Invitation:
    invitation = find_invitation(token=token, now=now, for_update=True)
    if invitation is None:
        raise InvitationRefused(gettext("This invitation is not valid any more."))
    return invitation


def _join(invitation: Invitation, person: User, *, now: dt.datetime) -> None:
    if invitation.customer:
        Member.objects.get_or_create(
            customer=invitation.customer, user=person, defaults={"role": invitation.role}
        )
    invitation.accepted_at, invitation.mail_after = now, None
    invitation.save(update_fields=["accepted_at", "mail_after"])


def _renew_link(invitation: Invitation, *, now: dt.datetime) -> str:
    """Let the link be mailed; or return its token, where no mail can be sent."""
    invitation.expires_at = now + LASTS
    invitation.secret_sha256, token = None, ""
    if is_mail_set_up():
        invitation.mail_after = now
    else:
        token = new_link_token(invitation)
    invitation.save()
    return token


def _refuse_known(customer: Customer | None, email: str) -> None:
    members = Member.objects.filter(customer=customer, user__email__iexact=email)
    if customer is not None and members.exists():
        raise InvitationRefused(gettext("%(email)s is a member already.") % {"email": email})
    if customer is None and User.objects.filter(email__iexact=email).exists():
        raise InvitationRefused(gettext("%(email)s can sign in already.") % {"email": email})


def _leave_room(customer: Customer | None) -> None:
    if customer is None:
        return
    waiting = customer.invitations.open().count()
    if customer.members.count() + waiting >= MOST_PEOPLE:
        raise InvitationRefused(gettext("There are %(most)s people already.") % {"most": MOST_PEOPLE})


def _open_invitation(customer: Customer | None, email: str) -> Invitation | None:
    return Invitation.objects.open().filter(customer=customer, email__iexact=email).first()


def _digest_of(token: str) -> bytes | None:
    try:
        return hashlib.sha256(_SIGNER.unsign(token).encode()).digest()
    except BadSignature:
        return None
