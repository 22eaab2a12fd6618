"""Acme on 24 November at noon, with amounts that are easy to add up."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from accounts.models import Customer
from invoices.closing.close import close_due_hours
from invoices.packages.after_sale.sweep import sweep_packages
from invoices.usage_report.metadata import sum_up_closed_hours
from pricing.rules.kinds import Kind
from tests.builders import price, record, report
from tests.packages import buy, tokens_product

SHANGHAI = ZoneInfo("Asia/Shanghai")
SMALL, LARGE = "SenseChat-128K", "SenseChat-5"


def on(day: int, hour: int, minute: int = 0) -> dt.datetime:
    """Return an instant of November by Acme's clock."""
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=SHANGHAI)


NOW = on(24, 12)


def use_a_month(acme: Customer, settings: Any) -> None:
    """Price, sell, use and close; the hour of NOW runs.

    Bills: 40 RMB yesterday and 24.94 today. 10 RMB in the running hour. 120 RMB are under review.
    """
    settings.PARK_ABOVE_AMOUNT = Decimal(100)
    _price(acme)
    terms = tokens_product("A thousand", 1000, services=[SMALL], begins_at=on(1, 0))
    buy(acme, terms, now=on(23, 9))
    _use("yesterday", on(23, 9, 10), project="website", api_key="web", input_tokens=1_000_000)
    _use("covered", on(23, 10, 10), service=SMALL, input_tokens=900)
    _use("parked", on(23, 20, 10), project="website", input_tokens=3_000_000)
    _use("cheap", on(24, 8, 10), project="search", api_key="batch", input_tokens=1_000)
    _use("dear", on(24, 8, 20), project="search", api_key="batch", input_tokens=500_000)
    _use("own", on(24, 8, 30), service="SenseChat", end_user="u-7", input_tokens=100_000)
    _use("offer", on(24, 8, 40), service="SenseChat-Turbo", output_tokens=1_000_000)
    close_due_hours(now=NOW)
    sum_up_closed_hours(now=NOW)
    sweep_packages(now=NOW)
    _use("now", NOW, project="search", output_tokens=100_000)


def _use(event_id: str, at: dt.datetime, *, service: str = LARGE, **used: Any) -> None:
    measures = {"input_tokens": 0, "output_tokens": 0} | {
        name: used.pop(name) for name in ("input_tokens", "output_tokens") if name in used
    }
    record(report(event_id, service=service, occurred_at=at, metadata=used, **measures), now=at)


def _price(acme: Customer) -> None:
    """A contract price now and one ahead, and an offer that ends in four days."""
    price("SenseChat", "input_tokens", "0.009", begins_at=on(1, 0), customer=acme)
    offer = {"ends_at": on(28, 0), "kind": Kind.LIMITED_TIME_OFFER}
    price("SenseChat-Turbo", "output_tokens", "0.004", begins_at=on(1, 0), **offer)
    price(LARGE, "output_tokens", "0.08", begins_at=on(30, 0), customer=acme)
