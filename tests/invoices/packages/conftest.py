"""What tests of packages share."""

from collections.abc import Iterator

import pytest

from invoices.books.rerun import repeat_rating
from invoices.books.verify import verify_books


@pytest.fixture
def verified_afterwards(db: None) -> Iterator[None]:
    """At the end of the test its books verify, and rating them again gives the same lines."""
    yield
    findings = verify_books(besides=repeat_rating).findings.first
    assert [f"{one.hour} {one.bill} {one.what}: {one.text}" for one in findings] == []
