"""New passwords by a mailed link: anyone may request one, and a worker mails it to a person with the address.

The link's token is Django's, and nothing of it is stored: it is void once the password was changed or the
person has signed in, and an hour after it was made.
"""

import datetime as dt

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.urls import reverse
from django.utils.encoding import force_bytes, force_str
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext_lazy as _

from accounts.models import PasswordReset, User
from accounts.sign_in.mail import is_mail_set_up, mail_link
from sensenova_billing.lib.mail import locked, send_in_turn

WITHIN = dt.timedelta(hours=1)
MOST_OF_EMAIL = 3
MOST_OF_ADDRESS = 20
PAUSE = dt.timedelta(minutes=5)  # after a mail that was not taken


def ask_for_reset(*, email: str, address: str | None, now: dt.datetime) -> None:
    """Let a link be mailed to this address, if a person has it; too many requests are dropped in silence."""
    recent = PasswordReset.objects.filter(asked_at__gt=now - WITHIN)
    if recent.filter(email__iexact=email).count() >= MOST_OF_EMAIL:
        return
    if recent.filter(address=address).count() >= MOST_OF_ADDRESS:
        return
    PasswordReset.objects.create(email=email, address=address, asked_at=now, mail_after=now)


def mail_resets(*, now: dt.datetime) -> int:
    """Mail the requested links, each once; delete old requests; return how many were sent."""
    PasswordReset.objects.filter(asked_at__lt=now - 24 * WITHIN).delete()
    return send_in_turn(_mail_next, now=now) if is_mail_set_up() else 0


def person_of_link(*, uid: str, token: str) -> User | None:
    """Return the person who may set a new password by this link."""
    try:
        key = int(force_str(urlsafe_base64_decode(uid)))
    except (ValueError, OverflowError):
        return None
    # No key of a person is longer, and PostgreSQL takes no longer one.
    person = User.objects.filter(pk=key, is_active=True).first() if 0 < key < 2**63 else None
    return person if person and default_token_generator.check_token(person, token) else None


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    waiting = PasswordReset.objects.filter(mail_after__lte=now, asked_at__gt=now - WITHIN)
    found = locked(waiting).order_by("pk").first()
    if found is None:
        return False
    person = User.objects.filter(email__iexact=found.email, is_active=True).first()
    is_done = person is None or _mail(person)
    found.mail_after = None if is_done else now + PAUSE
    found.save(update_fields=["mail_after"])
    return is_done


def _mail(person: User) -> bool:
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    token = default_token_generator.make_token(person)
    return mail_link(
        to=person.email,
        subject=_("A new password for SenseNova Billing"),
        template="mail/reset.txt",
        path=reverse("reset_password", args=[uid, token]),
        language=person.language,
    )
