"""Who sells and who buys, as documents name them."""

from dataclasses import dataclass

from django.conf import settings

from accounts.models import Customer


@dataclass(frozen=True)
class Party:
    """A company on a document; what is not known is empty."""

    name: str
    tax_id: str
    address: str
    email: str


def seller() -> Party:
    """Return the seller that the settings name."""
    return Party(settings.SELLER_NAME, settings.SELLER_TAX_ID, settings.SELLER_ADDRESS, settings.SELLER_EMAIL)


def buyer_of(customer: Customer) -> Party:
    """Return the customer as its settings name it, by our own name for it where they name no company."""
    return Party(
        customer.legal_name or customer.name, customer.tax_id, customer.address, customer.billing_email
    )
