"""Customers' totals of days and months, which each closing adds its bills to.

Days and months are those of Asia/Shanghai, the customers' and admins' usual clock, whatever zone a person has
chosen: a total is kept once. The zone is whole hours from UTC and never changes its clock, so that no billing
hour is divided between two days; an hour belongs to the day in which it begins.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from django.db import connection

from sensenova_billing.lib.database.statements import load_statement

DAY_ZONE = ZoneInfo("Asia/Shanghai")


def add_to_totals(*, hour: dt.datetime) -> None:
    """Add the bills that are sealed in this hour to their customers' totals; once, in its closing."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, {"hour": hour, "local_hour": hour.astimezone(DAY_ZONE).replace(tzinfo=None)})


_ADD = load_statement("add_to_totals.sql", beside=__file__)
