"""Which store is asked, and what happens while Redis is unavailable."""

import datetime as dt
import socket

import msgspec
import pytest
import redis

from tests.redis_server import redis_server
from usage.limits.stores.choice import call_windows
from usage.limits.stores.postgres import PostgresWindows
from usage.limits.stores.redis import RedisWindows
from usage.limits.stores.windows import (
    EPOCH,
    CallLimits,
    CallState,
    CountedCalls,
    Refusal,
    RefusalCount,
    ReportedCall,
    RequestedCall,
    SettledCall,
    StoreUnavailable,
    WindowsLost,
)
from usage.models import AdmittedCall, RefusedCalls
from usage.tasks import forget_calls

pytestmark = pytest.mark.django_db

ACME, CHAT = 1, 1
ONE = CallLimits(rpm=1, tpm=None)
STORE = "sensenova:limits:store"
OTHER = msgspec.msgpack.encode(["0123456789abcdef", 0, 0])  # the process of another server
SOON = dt.timedelta(milliseconds=250)
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
NOON_HOUR = (NOON - EPOCH) // dt.timedelta(hours=1)


def ask(call_id, limits=ONE):
    (status,) = call_windows().admit([RequestedCall(ACME, CHAT, call_id, 10, limits)])
    return status


@pytest.fixture
def redis_gone(settings):
    """A Redis that ran once."""
    with redis_server() as settings.REDIS_URL:
        pass


def test_postgresql_keeps_the_windows_unless_there_is_a_redis(settings, redis_url):
    assert isinstance(call_windows(), PostgresWindows)
    settings.REDIS_URL = redis_url
    assert isinstance(call_windows(), RedisWindows)
    assert call_windows() is call_windows()


def test_while_redis_is_away_every_deed_says_so(redis_gone):
    with pytest.raises(StoreUnavailable):
        ask("a")
    with pytest.raises(StoreUnavailable):
        call_windows().settle([SettledCall(ACME, "a", 3)])
    with pytest.raises(StoreUnavailable):
        call_windows().mark_reported([ReportedCall(ACME, CHAT, "a")])
    with pytest.raises(StoreUnavailable):
        call_windows().customers_of("a")
    with pytest.raises(StoreUnavailable):
        call_windows().count([CountedCalls(ACME, CHAT, 1, 1)])
    with pytest.raises(StoreUnavailable):
        call_windows().look([(ACME, CHAT)])
    with pytest.raises(StoreUnavailable):
        call_windows().refusals()


@pytest.mark.parametrize("without", ["refuse", "postgresql"])
@pytest.mark.parametrize("url", ["redis://:pa/ss@redis:6379", "redis:6379", "redis://redis?patience=1"])
def test_a_redis_whose_address_cannot_be_read_is_away(settings, url, without):
    settings.REDIS_URL, settings.CALL_LIMITS_WITHOUT_REDIS = url, without

    with pytest.raises(StoreUnavailable, match="^REDIS_URL cannot be read$"):
        ask("a")


def test_a_redis_that_does_not_answer_is_not_waited_for(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        begun = dt.datetime.now(dt.UTC)
        with pytest.raises(StoreUnavailable, match="[Tt]ime"):
            ask("a")

    assert dt.datetime.now(dt.UTC) - begun < 8 * SOON


def test_a_redis_that_takes_no_more_admits_nobody(settings):
    full = redis_server("--maxmemory", "1", "--maxmemory-policy", "noeviction", is_known=False)
    with full as settings.REDIS_URL, pytest.raises(StoreUnavailable, match="memory"):
        ask("a")


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_redis_that_may_evict_keys_admits_nobody(settings, policy):
    evicting = redis_server("--maxmemory", "100mb", "--maxmemory-policy", policy)
    with evicting as settings.REDIS_URL, pytest.raises(StoreUnavailable, match=f"{policy}.*noeviction"):
        ask("a")


def test_a_redis_with_all_the_memory_it_wants_evicts_nothing(settings):
    with redis_server("--maxmemory-policy", "allkeys-lru") as settings.REDIS_URL:
        assert ask("a").admitted


def test_a_redis_that_started_anew_is_asked_again_whether_it_evicts(settings):
    with redis_server("--maxmemory", "100mb") as settings.REDIS_URL:
        assert ask("a").admitted
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.config_set("maxmemory-policy", "allkeys-random")
            client.script_flush()
        with pytest.raises(StoreUnavailable, match="allkeys-random"):
            ask("b")


@pytest.mark.parametrize(
    ("forbidden", "is_known"), [("-info", True), ("-config", True), ("-info -config", False)]
)
def test_a_redis_that_does_not_tell_whether_it_evicts_is_warned_of_once(
    settings, caplog, forbidden, is_known
):
    with redis_server() as settings.REDIS_URL:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.execute_command("ACL", "SETUSER", "default", *forbidden.split())
        windows = RedisWindows(settings.REDIS_URL, timeout=4 * SOON)
        for _ in range(2):
            windows.count([CountedCalls(ACME, CHAT, 1, 1)])
            windows._redis.script_flush()

    assert len(caplog.messages) == (0 if is_known else 1)


def test_a_window_that_redis_lost_is_not_settled_below_nothing(settings):
    many = CallLimits(rpm=10, tpm=None)
    with redis_server() as settings.REDIS_URL:
        statuses = [ask(f"lost-{number}", many) for number in range(5)]
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.delete(f"sensenova:limits:window:{ACME}:{CHAT}")
        ask("new", many)
        states = call_windows().settle([SettledCall(ACME, f"lost-{number}", None) for number in range(5)])
        (use,) = call_windows().look([(ACME, CHAT)])

    assert all(status.admitted for status in statuses)
    assert states == [CallState.HELD] * 5
    assert (use.calls, use.tokens) == (1, 10)


@pytest.mark.parametrize("key", ["window:2:1", "calls:b", f"refused:{NOON_HOUR}"])
def test_a_key_of_somebody_else_admits_nobody_and_holds_nothing(settings, key):
    with redis_server() as settings.REDIS_URL:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.lpush(f"sensenova:limits:{key}", "not ours")
        asked = [
            RequestedCall(ACME, CHAT, "a", 10, ONE),
            RequestedCall(2, CHAT, "b", 10, CallLimits(0, None)),
        ]
        with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
            call_windows().admit(asked, at=NOON)

        assert call_windows().look([(ACME, CHAT)], at=NOON)[0].calls == 0
        assert call_windows().settle([SettledCall(ACME, "a", None)], at=NOON) == [CallState.UNKNOWN]


@pytest.mark.parametrize("persistence", ["--appendonly no", "--appendonly yes --appendfsync everysec"])
def test_a_redis_that_was_killed_and_started_again_admits_nothing_for_a_minute(tmp_path, persistence):
    many, options = CallLimits(rpm=10, tpm=None), [*persistence.split(), "--dir", str(tmp_path)]
    with redis_server(*options) as url:
        admitted = RedisWindows(url, timeout=8 * SOON).admit([RequestedCall(ACME, CHAT, "a", 10, many)])
    with redis_server(*options, is_known=False) as url:
        windows = RedisWindows(url, timeout=8 * SOON)
        for call_id in "bc":
            with pytest.raises(WindowsLost) as held:
                windows.admit([RequestedCall(ACME, CHAT, call_id, 10, many)])
            assert 60 <= held.value.retry_after <= 61
        with pytest.raises(WindowsLost):
            windows.look([(ACME, CHAT)])

    assert admitted[0].admitted


@pytest.mark.parametrize("emptied", [lambda redis: redis.flushall(), lambda redis: redis.set(STORE, OTHER)])
def test_a_redis_that_was_emptied_or_is_a_replica_that_took_over_admits_nothing_for_a_minute(
    redis_url, emptied
):
    with redis.Redis.from_url(redis_url) as client:
        emptied(client)
    windows = RedisWindows(redis_url, timeout=8 * SOON)
    call = [RequestedCall(ACME, CHAT, "a", 10, ONE)]
    for seconds, left in ((0, 61), (60, 1)):
        with pytest.raises(WindowsLost) as held:
            windows.admit(call, at=NOON + dt.timedelta(seconds=seconds))
        assert held.value.retry_after == left

    assert windows.admit(call, at=NOON + dt.timedelta(seconds=61))[0].admitted


def test_a_redis_that_does_not_tell_its_process_admits_until_it_is_emptied(redis_url):
    with redis_server() as url, redis.Redis.from_url(url) as client:
        client.set(STORE, msgspec.msgpack.encode(["", 0, 0]))
        client.execute_command("ACL", "SETUSER", "default", "-info")
        windows = RedisWindows(url, timeout=8 * SOON)

        assert windows.admit([RequestedCall(ACME, CHAT, "a", 10, ONE)])[0].admitted
        client.flushall()
        with pytest.raises(WindowsLost):
            windows.admit([RequestedCall(ACME, CHAT, "b", 10, ONE)])


def test_where_redis_started_empty_postgresql_takes_over_if_it_may(settings):
    settings.CALL_LIMITS_WITHOUT_REDIS = "postgresql"
    with redis_server(is_known=False) as settings.REDIS_URL:
        refusals = [ask(call_id).refusal for call_id in "ab"]

    assert refusals == [Refusal.NONE, Refusal.RPM]
    assert PostgresWindows().look([(ACME, CHAT)])[0].calls == 1


def test_a_window_in_redis_lives_for_longer_than_a_call_counts(redis_url):
    windows = RedisWindows(redis_url, timeout=8 * SOON)
    windows.admit([RequestedCall(ACME, CHAT, "a", 10, ONE)])
    with redis.Redis.from_url(redis_url) as client:
        left = client.ttl(f"sensenova:limits:window:{ACME}:{CHAT}")

    assert 61 < left <= 122


def test_with_the_fall_back_postgresql_limits_calls_while_redis_is_away(settings, redis_gone, caplog):
    settings.CALL_LIMITS_WITHOUT_REDIS = "postgresql"
    statuses = [ask("a"), ask("b")]
    call_windows().count([CountedCalls(ACME, CHAT, 1, 5)])

    assert [status.refusal for status in statuses] == [Refusal.NONE, Refusal.RPM]
    assert call_windows().look([(ACME, CHAT)])[0].calls == 2
    assert call_windows().settle([SettledCall(ACME, "a", 3)]) == [CallState.HELD]
    assert call_windows().refusals() == [RefusalCount(ACME, CHAT, Refusal.RPM, 1)]
    assert "Redis is unavailable" in caplog.text


def test_once_redis_is_back_what_postgresql_admitted_is_settled_and_what_it_refused_is_shown(settings):
    settings.CALL_LIMITS_WITHOUT_REDIS = "postgresql"
    PostgresWindows().admit([RequestedCall(ACME, CHAT, its, 10, ONE) for its in ("meanwhile", "refused")])
    with redis_server() as settings.REDIS_URL:
        ask("now")
        ask("too much")
        used = {"meanwhile": 3, "now": None, "nobody's": 1}
        states = call_windows().settle([SettledCall(ACME, its, tokens) for its, tokens in used.items()])
        refused = call_windows().refusals(customer_id=ACME)

    assert states == [CallState.HELD, CallState.HELD, CallState.UNKNOWN]
    assert refused == [RefusalCount(ACME, CHAT, Refusal.RPM, 2)]


def test_a_redis_that_started_anew_gets_the_script_again(settings, redis_url):
    windows = RedisWindows(redis_url, timeout=SOON)
    windows._redis.script_flush()
    calls = [
        RequestedCall(ACME, CHAT, f"anew-{number}", 1, CallLimits(rpm=10**6, tpm=None)) for number in (1, 2)
    ]

    assert [status.admitted for status in windows.admit(calls)] == [True, True]


def test_the_clock_rings_for_what_is_too_old():
    windows = PostgresWindows()
    windows.admit([RequestedCall(ACME, CHAT, "old", 10, ONE)], at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    windows.admit([RequestedCall(ACME, CHAT, "young", 10, ONE)])
    forget_calls()

    assert AdmittedCall.objects.get().call_id == "young"


def test_what_is_too_old_is_forgotten():
    noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    windows = PostgresWindows()
    windows.admit([RequestedCall(ACME, CHAT, its, 10, ONE) for its in ("old", "refused")], at=noon)
    later = noon + dt.timedelta(hours=1)
    windows.admit([RequestedCall(ACME, CHAT, its, 10, ONE) for its in ("young", "refused")], at=later)

    assert windows.forget(at=later) == 0
    assert windows.forget(at=later + dt.timedelta(seconds=1)) == 1
    assert windows.forget(at=later + dt.timedelta(hours=24)) == 1
    assert not AdmittedCall.objects.exists()
    assert RefusedCalls.objects.get().hour == later
