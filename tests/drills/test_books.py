"""The drills compare whole databases: whatever is not the same is named."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from accounts.models import Customer
from drills.books import differences, read_bills, read_books
from tests.builders import close, record, report


@pytest.fixture
def reader(transactional_db: None, acme: Customer) -> Iterator["psycopg.Connection[Any]"]:
    """A connection of the drill's own to a database with a closed hour."""
    record(report())
    close()
    settings = connection.settings_dict
    url = f"postgresql://postgres@/{settings['NAME']}?host={quote(settings['HOST'], safe='')}"
    with psycopg.connect(url, autocommit=True) as reader:
        yield reader


def test_the_books_of_one_database_are_those_of_itself(reader):
    once, again = read_books(reader), read_books(reader)

    assert differences(once, again) == []
    assert (once.tables["invoices_hourlybill"].rows, once.billed > 0, len(read_bills(reader))) == (1, True, 1)
    assert "usage_callwindow" not in once.tables  # which no backup holds


def test_a_changed_name_and_a_new_customer_are_differences(reader):
    before = read_books(reader)

    Customer.objects.update(name="Acme & Co")
    renamed = differences(before, read_books(reader))
    Customer.objects.create(code="globex", name="Globex GmbH")
    added = differences(before, read_books(reader))

    assert "accounts_customer: expected 1 rows, found 1, with other content" in renamed
    assert "accounts_customer: expected 1 rows, found 2, with other content" in added
    assert any(line.startswith("owed: expected {'acme'") for line in added)
