"""What a notice says, in the language that is active. No name that people chose is in a subject."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext, gettext_noop

from accounts.models import CustomerNotice, EventKind
from sensenova_billing.lib.local_time import minute_text

# By kind, and by `because` where that tells apart.
_SUBJECTS = {
    EventKind.BALANCE_LOW: gettext_noop("%(code)s: the balance is running low"),
    EventKind.ARREARS_BEGAN: gettext_noop("%(code)s: a payment is overdue"),
    EventKind.SUSPENSION_NEAR: gettext_noop("%(code)s: calls will be refused soon"),
    EventKind.CUSTOMER_SUSPENDED: gettext_noop("%(code)s: calls are refused"),
    EventKind.PRICE_CHANGING: gettext_noop("%(code)s: prices change at %(changes_at)s"),
    EventKind.LIMIT_OFTEN_REACHED: gettext_noop("%(code)s: many calls are refused"),
    EventKind.CUSTOMER_RESUMED: gettext_noop("%(code)s: calls are admitted again"),
    EventKind.EINVOICE_ISSUED: gettext_noop("%(code)s: the tax invoice of %(einvoice)s is issued"),
    EventKind.EINVOICE_REFUSED: gettext_noop("%(code)s: no tax invoice of %(einvoice)s is issued"),
    EventKind.EINVOICE_REVERSED: gettext_noop("%(code)s: the tax invoice of %(einvoice)s is reversed"),
}
_OVERDUE = gettext_noop("%(owed)s RMB are owed. The oldest unpaid amount was due before %(due_at)s.")
_PAID_AGAIN = gettext_noop("They are admitted again as soon as a payment of what is missing is booked.")
TEXTS = {
    (EventKind.BALANCE_LOW, ""): (
        gettext_noop("%(left)s RMB are left; the last %(hours)s hours cost %(spent)s RMB."),
        gettext_noop("When nothing is left, no call is admitted until a payment is booked."),
    ),
    (EventKind.ARREARS_BEGAN, ""): (_OVERDUE,),
    (EventKind.SUSPENSION_NEAR, ""): (
        _OVERDUE,
        gettext_noop("If it is not paid before %(suspends_at)s, no call is admitted from then on."),
    ),
    (EventKind.CUSTOMER_SUSPENDED, "staff"): (
        gettext_noop("SenseNova has suspended the customer: no call is admitted. Ask your contact."),
    ),
    (EventKind.CUSTOMER_SUSPENDED, "arrears"): (
        gettext_noop("A payment is overdue, so no call is admitted."),
        _PAID_AGAIN,
    ),
    (EventKind.CUSTOMER_SUSPENDED, "credit_limit"): (
        gettext_noop("More than the credit limit is owed, so no call is admitted."),
        _PAID_AGAIN,
    ),
    (EventKind.CUSTOMER_SUSPENDED, "balance"): (
        gettext_noop("What was paid ahead is used up, so no call is admitted."),
        _PAID_AGAIN,
    ),
    (EventKind.CUSTOMER_RESUMED, ""): (gettext_noop("Nothing stands against calls any more."),),
    (EventKind.PRICE_CHANGING, ""): (gettext_noop("From %(changes_at)s on other prices count for you:"),),
    (EventKind.LIMIT_OFTEN_REACHED, ""): (
        gettext_noop(
            "In the hour from %(hour_at)s on, of %(calls)s calls to %(service)s so far %(refused_by_rpm)s "
            "were refused by the RPM and %(refused_by_tpm)s by the TPM."
        ),
    ),
    (EventKind.EINVOICE_ISSUED, ""): (
        gettext_noop(
            "Its number is %(invoice_number)s, its date %(invoice_date)s, its amount %(payable)s RMB."
        ),
    ),
    (EventKind.EINVOICE_REFUSED, ""): (
        gettext_noop("The request of %(payable)s RMB was refused: %(reason)s"),
        gettext_noop("Its statements may be requested again."),
    ),
    (EventKind.EINVOICE_REVERSED, ""): (
        gettext_noop(
            "%(invoice_number)s is reversed by %(reversing_number)s of %(reversing_date)s: %(reason)s"
        ),
    ),
}


def subject_of(notice: CustomerNotice) -> str:
    """Return the subject of its mail."""
    return gettext(_SUBJECTS[EventKind(notice.kind)]) % _facts(notice)


def paragraphs_of(notice: CustomerNotice) -> list[str]:
    """Return its text."""
    facts = _facts(notice)
    texts = [gettext(text) % facts for text in TEXTS[EventKind(notice.kind), facts.get("because", "")]]
    return texts + [_change_text(change) for change in facts.get("changes", ())]


def _change_text(change: dict[str, Any]) -> str:
    """Return e.g. `SenseChat-5, Input tokens: 0.04 RMB per 1,000, then 0.05 RMB per 1,000`."""
    before, after = (
        gettext("%(price)s RMB per %(size)s")
        % {"price": terms["unit_price"], "size": f"{terms['unit_size']:,}"}
        for terms in (change["before"], change["after"])
    )
    measure = gettext(change["measure"].replace("_", " ").capitalize())
    words = {"service": change["service"], "measure": measure, "before": before, "after": after}
    return gettext("%(service)s, %(measure)s: %(before)s, then %(after)s") % words


def _facts(notice: CustomerNotice) -> dict[str, Any]:
    """Return the payload with instants by the customer's clock."""
    zone = ZoneInfo(notice.customer.time_zone)
    facts = {
        name: minute_text(dt.datetime.fromisoformat(value), zone) if name.endswith("_at") and value else value
        for name, value in notice.payload.items()
    }
    return {**facts, "code": notice.customer.code}
