"""What a tax invoice needs of its buyer, and what of that a customer has not given yet."""

from collections.abc import Iterator

from django.utils.translation import gettext, gettext_noop

from accounts.models import Customer, InvoiceKind
from accounts.tax_numbers import TaxNumberRefused, checked_tax_number

# Characters that the template of China's fully digital invoice has room for.
_ROOM = {
    "buyer_name": (100, gettext_noop("The company name has more than %(most)s characters.")),
    "buyer_address": (100, gettext_noop("The address has more than %(most)s characters.")),
    "buyer_tax_id": (20, gettext_noop("The tax number has more than %(most)s characters.")),
    "buyer_email": (72, gettext_noop("The e-mail address has more than %(most)s characters.")),
}


def tax_data_of(customer: Customer) -> dict[str, str]:
    """Return the buyer of a request, by the names of its fields; an address is one line."""
    return {
        "kind": customer.invoice_kind,
        "buyer_name": customer.legal_name,
        "buyer_country": customer.country,
        "buyer_tax_id": customer.tax_id,
        "buyer_address": ", ".join(customer.address.splitlines()),
        "buyer_phone": customer.phone,
        "buyer_bank": customer.bank_name,
        "buyer_account": customer.bank_account,
        "buyer_email": customer.billing_email,
    }


def problems_of(customer: Customer) -> list[str]:
    """Return what stands against a request with the customer's tax data as they are, in words."""
    return list(_problems(customer, tax_data_of(customer)))


def _problems(customer: Customer, data: dict[str, str]) -> Iterator[str]:
    if not customer.legal_name:
        yield gettext("The company name is missing.")
    if customer.tax_id:
        try:
            checked_tax_number(country=customer.country, number=customer.tax_id)
        except TaxNumberRefused as refusal:
            yield str(refusal)
    if customer.invoice_kind != InvoiceKind.UBL:
        for name, (most, words) in _ROOM.items():
            if len(data[name]) > most:
                yield gettext(words) % {"most": most}
