"""Closed books to be verified."""

from decimal import Decimal
from typing import Any

import pytest

from accounts.models import Customer
from tests.invoices.books.builders import keep_books, keep_busy_books


@pytest.fixture
def busy(acme: Customer, globex: Customer, settings: Any) -> None:
    """Late records, own prices, an offer, a trial, parked, released, reversed, re-rated twice: all of it."""
    settings.PARK_ABOVE_AMOUNT = Decimal(10)
    keep_busy_books(acme=acme, globex=globex)


@pytest.fixture
def plain(acme: Customer) -> None:
    """Two closed hours with a call of Acme's in each."""
    keep_books()
