"""Pages and how many statements the database gets for them, the prepared ones included."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg
from django.test import Client


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect all statements of a part of a test; Django's log lacks those that psycopg prepares."""
    collected: list[str] = []
    execute = psycopg.Cursor.execute

    def collect(cursor: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        collected.append(str(query))
        return execute(cursor, query, *arguments, **named)

    with patch.object(psycopg.Cursor, "execute", collect):
        yield collected


def get_within(client: Client, url: str, *, queries: int) -> Any:
    """Return a page that answers 200 and takes so many statements at most, and any at all."""
    with statements() as taken:
        page = client.get(url)
    assert page.status_code == 200
    assert 0 < len(taken) <= queries, taken
    return page
