"""Pages and how many queries they take: an answer that is no page takes few, and says nothing of the page."""

from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


def get_within(client: Client, url: str, *, queries: int) -> Any:
    """Return a page that answers 200 and takes so many queries at most, and any at all."""
    with CaptureQueriesContext(connection) as taken:
        page = client.get(url)
    assert page.status_code == 200
    assert 0 < len(taken) <= queries, [query["sql"] for query in taken]
    return page
