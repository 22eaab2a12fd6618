"""A trace goes through the HTTP API once, to the hour that was asked for, and is billed to the digit."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command

from accounts.models import Customer
from invoices.closing.close import close_due_hours
from invoices.models import HourlyBill
from tests.builders import THE_HOUR, at
from tests.transport import Straight, client_with
from usage.ingest.record import Receipt
from usage.models import UsageRecord
from usage.replay.trace import BadTrace, Replay, ReplayStopped, read_trace, replay_trace

EXCERPT = Path(__file__).with_name("trace_excerpt.csv")
HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
SOME_KEY = "sk_live_0123456789ab_" + "x" * 43

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(service_key: str) -> httpx.Client:
    """Speaks HTTP with the application."""
    return client_with(service_key)


def _replay(file: Path = EXCERPT, **fields: Any) -> Replay:
    chosen: dict[str, Any] = {"customer": "acme", "service": "SenseChat-5", "start": THE_HOUR} | fields
    return Replay(trace=read_trace(file=file), **chosen)


def _written(directory: Path, *lines: str) -> Path:
    file = directory / "trace.csv"
    file.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return file


def test_both_hours_of_the_trace_are_billed_to_the_digit(
    acme: Customer, client: httpx.Client, now: dt.datetime
) -> None:
    assert replay_trace(replay=_replay(), client=client, batch=5) == Receipt(accepted=12, duplicates=0)

    close_due_hours(now=now)

    # 5,092 tokens in and 750 out; 5,779 in and 692 out; 0.04 and 0.1 RMB per thousand.
    assert list(HourlyBill.objects.order_by("hour").values_list("hour", "records", "amount")) == [
        (THE_HOUR, 7, Decimal("0.27868")),
        (at(60), 5, Decimal("0.30036")),
    ]


def test_the_shift_keeps_minutes_and_seconds_and_drops_what_microseconds_cannot_hold(
    acme: Customer, client: httpx.Client
) -> None:
    replay_trace(replay=_replay(), client=client, batch=1000)

    instants = list(UsageRecord.objects.order_by("occurred_at").values_list("occurred_at", flat=True))
    assert instants[0] == at(12) + dt.timedelta(seconds=7, microseconds=123456)
    assert instants[6] == at(60) - dt.timedelta(microseconds=1)  # 09:59:59.9999999, not rounded up
    assert instants[-1] == at(120) - dt.timedelta(microseconds=1)


def test_the_same_replay_again_changes_nothing(acme: Customer, client: httpx.Client) -> None:
    replay_trace(replay=_replay(), client=client, batch=1000)

    assert replay_trace(replay=_replay(), client=client, batch=7) == Receipt(accepted=0, duplicates=12)


@pytest.mark.parametrize("other", [{"start": THE_HOUR - dt.timedelta(hours=1)}, {"service": "SenseChat"}])
def test_another_start_or_service_is_other_usage(
    acme: Customer, client: httpx.Client, other: dict[str, Any]
) -> None:
    replay_trace(replay=_replay(), client=client, batch=1000)

    assert replay_trace(replay=_replay(**other), client=client, batch=1000).accepted == 12


def test_the_first_call_is_the_earliest_wherever_it_stands(tmp_path: Path) -> None:
    trace = read_trace(file=_written(tmp_path, "2024-03-05 10:01:00,1,1", "2024-03-05 09:59:00,1,1"))

    assert (trace.calls, trace.first.hour, trace.last.hour) == (2, 9, 10)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2024-03-05 09:00:00.0,12", "it has 2 columns instead of 3"),
        ("yesterday,1,1", "Invalid isoformat"),
        ("2024-03-05 09:00:00.0,-1,1", "'-1' is not a number of tokens"),
        ("2024-03-05 09:00:00.0,1.5,1", "'1.5' is not a number of tokens"),
    ],
)
def test_a_bad_line_is_named_before_anything_is_sent(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(BadTrace, match=rf"Line 3 of .*trace.csv cannot be read: {reason}"):
        read_trace(file=_written(tmp_path, "2024-03-05 09:00:00.0,1,1", line))


@pytest.mark.parametrize("content", ["", "a,b,c\n", "\x00\n"])
def test_a_file_that_is_no_trace_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(content)

    with pytest.raises(BadTrace, match="Line 1 of"):
        read_trace(file=file)


def test_a_trace_without_calls_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTrace, match="holds no calls"):
        read_trace(file=_written(tmp_path))


def test_a_line_that_the_server_refuses_is_named_with_what_is_stored(
    acme: Customer, client: httpx.Client, tmp_path: Path
) -> None:
    too_many = f"2024-03-05 09:00:03,{2**53 + 1},1"
    file = _written(tmp_path, "2024-03-05 09:00:01,1,1", "2024-03-05 09:00:02,1,1", too_many)

    with pytest.raises(ReplayStopped, match=r"lines 4 to 4 for line 4: input_tokens .*, 2 of 3 calls"):
        replay_trace(replay=_replay(file), client=client, batch=2)

    assert UsageRecord.objects.count() == 2


def test_a_file_of_the_same_name_with_other_content_is_refused(
    acme: Customer, client: httpx.Client, tmp_path: Path
) -> None:
    replay_trace(replay=_replay(_written(tmp_path, "2024-03-05 09:00:01,1,1")), client=client, batch=9)
    changed = _replay(_written(tmp_path, "2024-03-05 09:00:01,2,1"))

    with pytest.raises(ReplayStopped, match="line 2: .* other content, input_tokens 1 instead of 2"):
        replay_trace(replay=changed, client=client, batch=9)


def test_an_unknown_key_is_refused_with_the_servers_reason(acme: Customer) -> None:
    client = client_with(SOME_KEY)

    with pytest.raises(ReplayStopped, match=r"lines 2 to 13: This key is unknown.* \(401 .*0 of 12 calls"):
        replay_trace(replay=_replay(), client=client, batch=100)


class _Away(httpx.BaseTransport):
    """A server that is away for so many requests, then there."""

    def __init__(self, requests: int, away: Callable[[httpx.Request], httpx.Response]) -> None:
        self.left, self.away, self.there = requests, away, Straight()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer, or not."""
        self.left -= 1
        return self.away(request) if self.left >= 0 else self.there.handle_request(request)


def _unavailable(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": "5"})


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Connection refused", request=request)


@pytest.mark.parametrize(("away", "waits"), [(_unavailable, [5, 5, 5]), (_unreachable, [1, 2, 4])])
def test_a_server_that_was_away_gets_the_batch_later(
    acme: Customer, service_key: str, away: Callable[[httpx.Request], httpx.Response], waits: list[float]
) -> None:
    waited: list[float] = []
    client = client_with(service_key, _Away(3, away))

    receipt = replay_trace(replay=_replay(), client=client, batch=100, sleep=waited.append)

    assert (receipt.accepted, waited) == (12, waits)


def test_a_server_that_stays_away_is_given_up(acme: Customer, service_key: str) -> None:
    waited: list[float] = []
    client = client_with(service_key, _Away(99, _unreachable))

    with pytest.raises(
        ReplayStopped, match=r"lines 2 to 13: .* cannot be reached .*0 of 12 calls are stored"
    ):
        replay_trace(replay=_replay(), client=client, batch=100, sleep=waited.append)

    assert waited == [1, 2, 4, 8]


def _command(**options: str) -> None:
    chosen = {
        "customer": "acme",
        "service": "SenseChat-5",
        "start": THE_HOUR.isoformat(),
        "key": SOME_KEY,
    } | options
    call_command("replay_trace", str(EXCERPT), *(f"--{name}={value}" for name, value in chosen.items()))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"start": "2026-01-31T18:00"}, "lacks an offset"),
        ({"start": "2026-01-31T18:00+05:30"}, "not the beginning of an hour in UTC"),
        ({"start": at(0, hour=6).isoformat()}, "still to come; nothing was sent"),
        ({"start": "soon"}, "is not a time"),
        ({"batch": "10001"}, "not a number from 1 to 10,000"),
        ({"key": ""}, "in the admin, under Service keys"),
        ({"key": "sk_live_0123"}, "not a whole service key"),
        ({"url": "localhost:8000"}, "not an http or https address"),
    ],
)
def test_the_command_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, str], reason: str
) -> None:
    monkeypatch.delenv("SENSENOVA_SERVICE_KEY", raising=False)

    with pytest.raises(CommandError, match=reason):
        _command(**options)


def test_the_command_says_which_file_is_missing(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.csv")

    with pytest.raises(CommandError, match="missing.csv cannot be read: No such file"):
        call_command(
            "replay_trace",
            missing,
            customer="acme",
            service="SenseChat-5",
            start="2026-01-31T18:00Z",
            key=SOME_KEY,
        )
