"""What the stores say of the calls that they admitted, read behind the product's back."""

import msgspec
import psycopg
import redis

from tests.limits.checker import Stored

_IN_POSTGRESQL = (
    "SELECT call_id, second, tokens, state FROM usage_admittedcall WHERE starts_with(call_id, %s)"
)
_IN_REDIS = "sensenova:limits:calls:"


def read_postgresql(url: str, *, run: str) -> dict[str, Stored]:
    """Return the calls of a run that PostgreSQL still keeps."""
    with psycopg.connect(url) as connection:
        return {call_id: Stored(*rest) for call_id, *rest in connection.execute(_IN_POSTGRESQL, [f"{run}."])}


def read_redis(url: str, *, run: str) -> dict[str, Stored]:
    """Return the calls of a run that Redis still keeps."""
    with redis.Redis.from_url(url) as client:
        keys = list(client.scan_iter(f"{_IN_REDIS}{run}.*", count=1000))
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.hvals(key)
        return {
            key.decode().removeprefix(_IN_REDIS): _unpacked(stored)
            for key, (stored,) in zip(keys, pipeline.execute(), strict=True)
        }


def _unpacked(stored: bytes) -> Stored:
    _, second, _, tokens, state = msgspec.msgpack.decode(stored)
    return Stored(int(second), int(tokens), state)
