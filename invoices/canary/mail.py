"""Mail about the bill of a canary customer that is wrong or late, to ALARM_MAIL, once for each."""

import datetime as dt
import logging
from collections.abc import Iterator

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext

from accounts.sign_in.mail import by_language
from invoices.models import CanaryHour, CanaryProblem
from invoices.packages.after_sale.mail import MAILED_WITHIN, PAUSE
from invoices.templatetags.amounts import rmb
from sensenova_billing.lib.mail import is_mail_sent, locked, send_in_turn

logger = logging.getLogger(__name__)


def mail_canaries(*, now: dt.datetime) -> int:
    """Mail what waits, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if settings.ALARM_MAIL and is_mail_sent() else 0


@transaction.atomic(durable=True)
def _mail_next(*, now: dt.datetime) -> bool:
    waiting = CanaryHour.objects.exclude(problem="").filter(
        mailed_at=None, mail_after__lte=now, hour__gt=now - MAILED_WITHIN
    )
    canary = locked(waiting.select_related("customer")).first()
    if canary is None:
        return False
    try:
        get_connection().send_messages(list(_messages(canary)))
    except OSError as error:  # smtplib's exceptions are among them
        logger.warning("No mail about the canary %s: %s", canary, type(error).__name__)
        canary.mail_after = now + PAUSE
    else:
        canary.mailed_at = now
    canary.save(update_fields=["mail_after", "mailed_at"])
    return canary.mailed_at is not None


def _messages(canary: CanaryHour) -> Iterator[EmailMessage]:
    for language, addresses in by_language(settings.ALARM_MAIL).items():
        with translation.override(language):
            words = {"code": canary.customer.code, "hour": f"{canary.hour:%Y-%m-%d %H:%M}"}
            subject = gettext("Canary customer %(code)s: the bill of its usage is not right")
            yield EmailMessage(subject=subject % words, body=problem_text(canary), to=addresses)


def problem_text(canary: CanaryHour) -> str:
    """Return what is wrong, with both amounts where there are two."""
    words = {"code": canary.customer.code, "hour": f"{canary.hour:%Y-%m-%d %H:%M}"}
    if canary.problem == CanaryProblem.LATE:
        return gettext("The usage of %(code)s in the hour %(hour)s UTC is not billed in time.") % words
    assert canary.billed is not None
    assert canary.expected is not None
    words |= {"billed": rmb(canary.billed), "expected": rmb(canary.expected)}
    text = gettext(
        "The usage of %(code)s in the hour %(hour)s UTC is billed with %(billed)s; by a plain sum it is "
        "%(expected)s."
    )
    return text % words
