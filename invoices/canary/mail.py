"""Mail about the bill of a canary customer that is wrong or late, to ALARM_MAIL, once for each."""

import datetime as dt
from collections.abc import Iterator
from functools import partial

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext

from accounts.sign_in.mail import in_each_language
from invoices.models import CanaryHour, CanaryProblem
from invoices.packages.after_sale.mail import MAILED_WITHIN
from invoices.templatetags.amounts import rmb
from sensenova_billing.lib.mail import is_mail_sent, mail_next, send_in_turn


def mail_canaries(*, now: dt.datetime) -> int:
    """Mail what waits, until one cannot be sent; return how many were sent."""
    return send_in_turn(_mail_next, now=now) if settings.ALARM_MAIL and is_mail_sent() else 0


def _mail_next(*, now: dt.datetime) -> bool:
    waiting = CanaryHour.objects.exclude(problem="").filter(
        mailed_at=None, mail_after__lte=now, hour__gt=now - MAILED_WITHIN
    )
    about = "the canary {}".format
    return mail_next(waiting.select_related("customer"), messages=_messages, about=about, now=now)


def _messages(canary: CanaryHour) -> Iterator[EmailMessage]:
    return in_each_language(settings.ALARM_MAIL, partial(_message, canary))


def _message(canary: CanaryHour, to: list[str]) -> EmailMessage:
    subject = gettext("Canary customer %(code)s: the bill of its usage is not right")
    return EmailMessage(subject=subject % {"code": canary.customer.code}, body=problem_text(canary), to=to)


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
