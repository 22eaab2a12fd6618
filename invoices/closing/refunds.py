"""Refunds of packages, carried out with the closing of an hour: after its draws, before its seal."""

import datetime as dt

from django.db import connection

from accounts.audit.context import set_audit_context
from invoices.models import PackageRefund
from sensenova_billing.lib.database.statements import load_statement


def credit_refunds(*, hour: dt.datetime, now: dt.datetime) -> None:
    """End the packages whose refund was ordered by the end of this hour, and issue a credit for each."""
    if not PackageRefund.objects.filter(billing_hour__lte=hour, package__credit=None).exists():
        return
    set_audit_context(by=f"closing of {hour:%Y-%m-%d %H:%M} UTC", reason="Refunded as ordered.")
    with connection.cursor() as cursor:
        cursor.execute(_CREDIT, {"hour": hour, "now": now})


_CREDIT = load_statement("credit_refunds.sql", beside=__file__)
