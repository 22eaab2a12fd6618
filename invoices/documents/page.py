"""The page of a month's bill or of a statement."""

from typing import Any
from urllib.parse import quote

from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString

from invoices.documents.monthly_bill import MonthlyBill
from invoices.documents.pdf import facts_of
from invoices.templatetags.amounts import decimals_of
from sensenova_billing.lib.local_time import hour_text


def page_context(bill: MonthlyBill) -> dict[str, Any]:
    """Return what the template shows, by the clock that is active."""
    return {
        "customer": bill.month.customer,
        "bill": bill,
        "facts": list(facts_of(bill)),
        "price_decimals": decimals_of(item.unit_price for item in bill.items),
        "item_decimals": decimals_of([bill.usage, *(item.amount for item in bill.items)]),
        "rows": _bill_rows(bill),
    }


def _bill_rows(bill: MonthlyBill) -> SafeString:
    """Return the rows of a month's bills, which may be hundreds: a template takes several times as long.

    Digits need no escaping; numbers of bills are escaped.
    """
    zone, decimals = timezone.get_current_timezone(), decimals_of(one.amount for one in bill.bills)
    page = reverse("bill", args=["-"]).removesuffix("-")
    return SafeString(
        "\n".join(
            f'<tr><th scope="row">{hour_text(one.hour_id, zone)}</th>'
            f'<td class="named"><a href="{page}{quote(one.number)}">{escape(one.number)}</a></td>'
            f'<td class="number">{one.amount:,.{decimals}f}</td></tr>'
            for one in bill.bills
        )
    )
