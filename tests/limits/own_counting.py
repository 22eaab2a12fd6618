"""A broken build of the web application: each of its processes counts for itself."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from sensenova_billing.wsgi import application
from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.redis import RedisWindows
from usage.limits.stores.windows import LimitStatus, RequestedCall

__all__ = ["application"]


def count_for_itself(store: type[Any]) -> None:
    """Let this process's calls count as if its number were part of the service's."""
    admit = store.admit

    def admit_here(windows: Any, asked: Sequence[RequestedCall], **more: Any) -> list[LimitStatus]:
        here = [replace(call, service_id=call.service_id * 10**8 + os.getpid()) for call in asked]
        admitted: list[LimitStatus] = admit(windows, here, **more)
        return admitted

    patch.object(store, "admit", admit_here).start()


count_for_itself(PostgresWindows)
count_for_itself(RedisWindows)
