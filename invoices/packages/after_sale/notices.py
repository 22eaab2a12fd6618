"""Notices about packages: which are due, which a customer still has to see, and dismissing one."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import QuerySet

from accounts.models import Customer
from invoices.models import NoticeKind, PackageNotice
from pricing.rules.methods import BillingMethod
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import minute_text


def find_notices(*, now: dt.datetime) -> int:
    """Write the notices that are due by now, each once, and return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FIND, {"now": now})
        return int(cursor.rowcount)


def notices_at(at: dt.datetime) -> QuerySet[PackageNotice]:
    """Return the notices that are neither dismissed nor over, newest first."""
    return PackageNotice.objects.filter(
        dismissed_at=None, shown_until__gt=at, package__ended_at=None, package__refund=None
    ).select_related("package__customer", "package__renewal__renewed_by__customer")


def notices_of(*, customer: Customer, at: dt.datetime) -> list[PackageNotice]:
    """Return the notices that the customer still has to see, newest first, each with its `text`."""
    notices = list(notices_at(at).filter(package__customer=customer))
    for notice in notices:
        notice.text = notice_text(notice)  # type: ignore[attr-defined]
    return notices


def dismiss_notice(*, notice: PackageNotice, by: str, now: dt.datetime) -> None:
    """Show the notice no more, on the word of this person; the first who dismissed it counts."""
    PackageNotice.objects.filter(pk=notice.pk, dismissed_at=None).update(dismissed_at=now, dismissed_by=by)


def notice_text(notice: PackageNotice) -> str:
    """Return what the notice says, in the customer's time."""
    package = notice.package
    name = f"Package {package.number} ({package.product_name})"
    zone = ZoneInfo(package.customer.time_zone)
    expires = minute_text(package.expires_at, zone)
    renewal = getattr(package, "renewal", None)
    match notice.kind:
        case NoticeKind.USED_80:
            return f"{name}: 80 % of the tokens are used, or more."
        case NoticeKind.USED_100:
            return f"{name} is used up. What no other package covers is charged as Tokens Postpaid."
        case NoticeKind.RENEWED if renewal and renewal.renewed_by:
            begins = minute_text(renewal.renewed_by.begins_at, zone)
            return f"{name} was renewed: package {renewal.renewed_by.number} is in force from {begins} on."
        case NoticeKind.NOT_RENEWED if renewal:
            return f"{name} was not renewed, and nothing was bought: {renewal.refused_because}"
        case _ if renewal and renewal.is_due_later:
            return f"{name} expires at {expires}, and is renewed then."
        case _:
            return f"{name} expires at {expires}. {_AT_EXPIRY[BillingMethod(package.method)]}"


_AT_EXPIRY = {
    BillingMethod.TOKENS_PACKAGE: "Tokens that are left then are lost.",
    BillingMethod.TPM_PACKAGE: "What no other package covers is charged as Tokens Postpaid from then on.",
}
_FIND = load_statement("find_notices.sql", beside=__file__)
