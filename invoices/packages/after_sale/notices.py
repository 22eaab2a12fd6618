"""Notices about packages: which are due, which a customer still has to see, and dismissing one."""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts.models import Customer, EventKind
from accounts.webhooks.events import emitting
from invoices.models import NoticeKind, PackageNotice
from invoices.packages.after_sale.renewal import refusal_in_words
from pricing.rules.methods import BillingMethod
from sensenova_billing.lib.database.statements import load_statement
from sensenova_billing.lib.local_time import minute_text


def find_notices(*, now: dt.datetime) -> int:
    """Write the notices that are due by now, each once, with its event, and return how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_FIND, {"now": now})
        found = int(cursor.rowcount)
        if found:
            cursor.execute(_ANNOUNCE, {"now": now, "kinds": _KINDS})
        return found


def notices_at(at: dt.datetime) -> QuerySet[PackageNotice]:
    """Return the notices that are neither dismissed nor over, newest first."""
    return PackageNotice.objects.filter(
        dismissed_at=None, shown_until__gt=at, package__ended_at=None, package__refund=None
    ).select_related("package__customer", "package__renewal__renewed_by__customer")


def notices_of(*, customer: Customer, at: dt.datetime) -> list[PackageNotice]:
    """Return the notices that the customer still has to see, newest first, each with `heading` and `text`."""
    notices = list(notices_at(at).filter(package__customer=customer))
    for notice in notices:
        notice.heading = gettext(notice.get_kind_display())  # type: ignore[attr-defined]
        notice.text = notice_text(notice)  # type: ignore[attr-defined]
    return notices


def dismiss_notice(*, notice: PackageNotice, by: str, now: dt.datetime) -> None:
    """Show the notice no more, on the word of this person; the first who dismissed it counts."""
    PackageNotice.objects.filter(pk=notice.pk, dismissed_at=None).update(dismissed_at=now, dismissed_by=by)


def notice_text(notice: PackageNotice) -> str:
    """Return what the notice says, in the customer's time and the language of the page or mail."""
    package = notice.package
    zone = ZoneInfo(package.customer.time_zone)
    renewal = getattr(package, "renewal", None)
    facts = {
        "package": gettext("Package %(number)s (%(product)s)")
        % {"number": package.number, "product": package.product_name},
        "expires": minute_text(package.expires_at, zone),
    }
    match notice.kind:
        case NoticeKind.USED_80:
            text = gettext("%(package)s: 80 %% of the tokens are used, or more.")
        case NoticeKind.USED_100:
            text = gettext(
                "%(package)s is used up. What no other package covers is charged as Tokens Postpaid."
            )
        case NoticeKind.RENEWED if renewal and renewal.renewed_by:
            facts["next"] = renewal.renewed_by.number
            facts["begins"] = minute_text(renewal.renewed_by.begins_at, zone)
            text = gettext("%(package)s was renewed: package %(next)s is in force from %(begins)s on.")
        case NoticeKind.NOT_RENEWED if renewal:
            facts["reason"] = refusal_in_words(renewal)
            text = gettext("%(package)s was not renewed, and nothing was bought: %(reason)s")
        case _ if renewal and renewal.is_due_later:
            text = gettext("%(package)s expires at %(expires)s, and is renewed then.")
        case _ if package.method == BillingMethod.TOKENS_PACKAGE:
            text = gettext("%(package)s expires at %(expires)s. Tokens that are left then are lost.")
        case _:
            text = gettext(
                "%(package)s expires at %(expires)s. What no other package covers is charged as Tokens "
                "Postpaid from then on."
            )
    return text % facts


_FIND = load_statement("find_notices.sql", beside=__file__)
_KINDS = [EventKind.PACKAGE_LOW.value, EventKind.PACKAGE_EXPIRING.value]
_ANNOUNCE = emitting(load_statement("announce_notices.sql", beside=__file__))
