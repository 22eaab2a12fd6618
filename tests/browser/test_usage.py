"""A customer's overview and usage page in a real browser: parts that refresh, bars that lead on."""

import datetime as dt
import os
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounts.models import Member, User
from sensenova_billing.lib import clock
from tests.builders import close, record, report
from tests.conftest import PASSWORD, make_acme
from usage.models import HOUR

pytestmark = pytest.mark.django_db(transaction=True)
# Where to keep pictures of the pages; nowhere unless somebody wants them.
PICTURES = os.environ.get("PICTURES", "")


@pytest.fixture
def alice(admin: Callable[[User], Any]) -> Any:
    """Alice's page; she acts for Acme, which has used nothing."""
    user = User.objects.create_user("alice@acme.example", PASSWORD)
    Member.objects.create(customer=make_acme(), user=user)
    return admin(user)


def look(page: Any, name: str) -> None:
    """No page is wider than the screen; keep pictures of it, if they are wanted."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_timeout(50)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            if PICTURES:
                page.screenshot(path=f"{PICTURES}/{name}-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1280, "height": 1000})


def by_item() -> str:
    """The address of usage by item of the last days, in whatever month they are."""
    today = clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date()
    return f"/customers/acme/usage?by=item&from={today - dt.timedelta(days=2)}&to={today}"


def use_hours(*, hours: int) -> None:
    """Report calls of two services in each of the last hours, and close those that have ended."""
    now = clock.now()
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    for n in range(hours, -1, -1):
        at = this_hour - n * HOUR
        metadata = {"project": f"project-{n % 3}"}
        record(
            report(f"a-{n}", occurred_at=at, input_tokens=1000 * n + 7, metadata=metadata),
            report(f"b-{n}", occurred_at=at, service="SenseChat-Turbo", input_tokens=9000),
            now=now,
        )
    first = this_hour - hours * HOUR
    offset = (first - close.__globals__["THE_HOUR"]) // HOUR
    for n in range(hours):
        close(hour=offset + n)


def test_the_first_call_appears_while_the_page_is_open(alice: Any) -> None:
    alice.clock.install()
    alice.goto("/customers/acme")
    alice.get_by_text("Report your first call").wait_for()
    look(alice, "overview-unused")

    record(report(occurred_at=clock.now()), now=clock.now())
    alice.clock.run_for(31_000)

    alice.get_by_role("rowheader", name="SenseChat-5").first.wait_for()
    assert alice.get_by_text("Report your first call").count() == 0


def test_a_page_that_is_not_seen_fetches_nothing(alice: Any) -> None:
    alice.clock.install()
    alice.goto("/customers/acme")
    alice.wait_for_load_state("networkidle")
    fetched: list[str] = []
    alice.on("request", lambda request: fetched.append(request.url))
    alice.evaluate("Object.defineProperty(document, 'hidden', { value: true })")

    alice.clock.run_for(120_000)

    assert fetched == []


def test_from_the_overview_to_a_days_hours_to_a_bill(alice: Any) -> None:
    use_hours(hours=26)
    alice.goto("/customers/acme")
    alice.locator("#last-days canvas").wait_for()
    look(alice, "overview")

    alice.get_by_text("The same as a table").click()
    alice.locator("#last-days tbody a").nth(1).click()
    alice.get_by_role("heading", name="Hour by hour").wait_for()
    look(alice, "usage-hours")
    alice.locator("section[aria-labelledby=buckets-heading] tbody a").first.click()

    alice.wait_for_url(re.compile("/bills/"))


@pytest.mark.parametrize("address", [lambda: "/customers/acme", by_item], ids=["overview", "usage"])
def test_the_keyboard_chooses_a_bar_hears_what_it_is_and_opens_it(
    alice: Any, address: Callable[[], str]
) -> None:
    use_hours(hours=26)
    alice.goto(address())
    canvas = alice.locator("canvas").first
    canvas.focus()

    alice.keyboard.press("End")
    hour_or_day = alice.get_by_role("status").filter(has_text="RMB").inner_text()
    assert re.fullmatch(r"20\d\d-.*: RMB [\d,.]+", hour_or_day)
    alice.keyboard.press("ArrowLeft")
    alice.keyboard.press("Enter")

    alice.wait_for_url(re.compile("/bills/|width=hour"))


def test_a_bar_leads_to_what_it_stands_for(alice: Any) -> None:
    use_hours(hours=26)
    alice.goto(by_item())
    look(alice, "usage-items")
    canvas = alice.locator("canvas")
    canvas.wait_for()
    bar = alice.evaluate(
        """() => { const chart = Chart.getChart(document.querySelector("canvas"));
                   const place = chart.data.datasets[0].data.findIndex(Boolean);
                   const { x, y, base } = chart.getDatasetMeta(0).data[place];
                   return { x, y: (y + base) / 2 }; }"""
    )

    canvas.click(position=bar)

    alice.wait_for_url(re.compile("width=hour"))
