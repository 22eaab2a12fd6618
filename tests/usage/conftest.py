"""What only the tests of usage need."""

import datetime as dt

import pytest

from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.redis import RedisWindows

PATIENT = dt.timedelta(seconds=20)


@pytest.fixture(params=["postgresql", "redis"])
def windows(request):
    """Each store of the windows of call limits in turn."""
    if request.param == "redis":
        return RedisWindows(request.getfixturevalue("redis_url"), timeout=PATIENT)
    return PostgresWindows()
