"""What a unit price may be: forms, files, models and the database's constraints take it from here."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

PRICE_BOUND = 1_000_000  # RMB; a unit price is less
PRICE_DECIMALS = 8
PRICE_DIGITS = 14


def validate_unit_price(unit_price: Any) -> None:
    """Raise ValidationError for less than 0 or a million and more."""
    if not 0 <= unit_price < PRICE_BOUND:
        raise ValidationError(
            _("A unit price is 0 or more and less than %(bound)s RMB."), params={"bound": f"{PRICE_BOUND:,}"}
        )
