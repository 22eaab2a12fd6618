"""Re-rating: what was charged at a wrong price for usage in a span of hours is charged at the right one.

The correction is on the bills of the earliest open hour: each line at the wrong price is credited, except for
its reversed part, and rebilled: of every customer, or of one. The preview shows what that comes to for each.
"""

import datetime as dt
from decimal import Decimal
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext

from accounts.models import Customer
from invoices.closing.parking import parked_hours
from invoices.models import Rerating
from invoices.rating.charges_sql import RERATED
from pricing.models import Price
from sensenova_billing.lib.database.statements import load_statement
from usage.billing_hours import last_closed_hour, lock_hours_for_ingest
from usage.models import HOUR


class ReratingEffect(NamedTuple):
    """What a re-rating comes to for one customer; amounts in RMB."""

    customer_code: str
    customer_name: str
    lines: int
    quantity: Decimal
    charged: Decimal
    corrected: Decimal
    difference: Decimal


def preview_rerating(
    *,
    price: Price,
    from_hour: dt.datetime,
    until_hour: dt.datetime,
    unit_price: Decimal,
    customer: Customer | None = None,
) -> list[ReratingEffect]:
    """Return the effect for each customer as of now, the largest first; nothing is stored."""
    last = last_closed_hour()
    if last is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _PREVIEW,
            {
                "price": price.pk,
                "from_hour": from_hour,
                "until_hour": until_hour,
                "unit_price": unit_price,
                "customer": customer.pk if customer else None,
                "hour": last + HOUR,
                "sealed_in": last + HOUR,
            },
        )
        return [ReratingEffect(*row) for row in cursor.fetchall()]


@transaction.atomic
def order_rerating(
    *,
    price: Price,
    from_hour: dt.datetime,
    until_hour: dt.datetime,
    unit_price: Decimal,
    customer: Customer | None = None,
    reason: str,
    by: str,
    now: dt.datetime,
) -> Rerating:
    """Have the next closing re-rate what was charged at this price; or raise ValidationError."""
    rerating = Rerating(
        price=price,
        from_hour=from_hour,
        until_hour=until_hour,
        unit_price=unit_price,
        customer=customer,
        reason=reason.strip(),
        ordered_by=by,
        ordered_at=now,
        billing_hour=lock_hours_for_ingest([from_hour])[from_hour],
    )
    if until_hour > rerating.billing_hour:
        raise ValidationError({"until_hour": gettext("Only closed hours can be re-rated.")})
    _refuse_while_parked(from_hour=from_hour, customer=customer)
    rerating.full_clean()
    rerating.save(force_insert=True)
    return rerating


def _refuse_while_parked(*, from_hour: dt.datetime, customer: Customer | None) -> None:
    """Raise ValidationError while a bill of these hours, or a correction of them, has still to be issued.

    What is parked would be left out, and billed at the wrong price or in the wrong order once it is released.
    """
    waiting = parked_hours().filter(hour_id__gte=from_hour)
    if customer is not None:
        waiting = waiting.filter(customer_id=customer.pk)
    if parked := waiting.first():
        text = gettext(
            "The hour %(hour)s UTC of a customer is parked: have it billed first, so that the re-rating "
            "finds all that was charged."
        )
        raise ValidationError(text % {"hour": f"{parked.hour_id:%Y-%m-%d %H:%M}"})


_PREVIEW = load_statement("preview_rerating.sql", beside=__file__, rerated_lines=RERATED)
