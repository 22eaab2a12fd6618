"""A customer's pages, and bills in the admin."""

import datetime as dt
import json
import re
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Member
from invoices.models import HourlyBill
from invoices.portal.overview import overview_of
from invoices.templatetags.amounts import exact, hour_text, rmb
from pricing.rules.amounts import plain
from tests.builders import THE_HOUR, at, close, price, record, report
from tests.querying import get_within
from usage.billing_hours import hour_of
from usage.models import HOUR

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock(monkeypatch):
    """Put the pages' clock to an instant; twenty past the hour after THE_HOUR unless told otherwise."""

    def put(instant):
        monkeypatch.setattr("invoices.portal.overview_views.clock.now", lambda: instant)

    put(at(80))
    return put


def overview_page(client, code="acme"):
    return client.get(reverse("customer_overview", args=[code]))


def text(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def a_day_of_bills(hours):
    """So many closed hours of one call each, from THE_HOUR on."""
    record(*(report(f"call-{n}", occurred_at=at(10, hour=n - hours)) for n in range(hours)), now=at(61))
    for n in range(hours):
        close(hour=n - hours)


# --- Where the overview leads --------------------------------------------------------------------


def test_the_overview_leads_to_the_only_customer(alice_client):
    assert alice_client.get(reverse("overview")).headers["Location"] == reverse(
        "customer_overview", args=["acme"]
    )


def test_with_several_customers_one_is_chosen(alice_client, alice, globex):
    Member.objects.create(customer=globex, user=alice)

    shown = text(alice_client.get(reverse("overview")))

    assert "Acme Ltd" in shown
    assert "Globex GmbH" in shown


def test_staff_without_a_customer_go_to_the_admin(operator_client):
    assert operator_client.get(reverse("overview")).headers["Location"] == reverse("admin:index")


def test_a_person_without_a_customer_is_told_what_to_do(alice_client, alice):
    Member.objects.filter(user=alice).delete()

    assert "Ask an admin" in text(alice_client.get(reverse("overview")))


@pytest.mark.parametrize(
    "page", ["customer_overview", "customer_bills", "customer_bills_csv", "customer_record"]
)
def test_a_customer_whose_code_cannot_be_is_not_found(alice_client, page):
    assert alice_client.get(reverse(page, args=["\0"])).status_code == 404


def test_the_operator_sees_customers_in_the_admin_only(operator_client, acme):
    assert overview_page(operator_client).status_code == 404


def test_anothers_customer_looks_like_one_that_does_not_exist(bob_client, acme):
    there = overview_page(bob_client, "acme")
    nowhere = overview_page(bob_client, "nobody")

    assert (
        (there.status_code, there.content) == (nowhere.status_code, nowhere.content) == (404, there.content)
    )


# --- The overview --------------------------------------------------------------------------------


def test_without_usage_the_overview_says_what_will_appear(alice_client):
    shown = text(overview_page(alice_client))

    assert "No call was reported in this hour yet." in shown
    assert "There was no usage in the last 24 hours." in shown
    assert "There is no bill yet." in shown
    assert "RMB 0.00" in shown


def test_the_running_hour_costs_what_it_would_be_billed(alice_client, acme, clock):
    record(report(occurred_at=at(70), input_tokens=1234567, output_tokens=0), now=at(75))

    shown = text(overview_page(alice_client))

    assert "RMB 49.38 exactly 49.38268" in shown
    assert "1,234,567 0.04 thousand tokens limited-time offer 49.38268" in shown


def test_an_hour_that_has_ended_but_is_not_closed_is_marked(alice_client, acme, clock):
    record()

    shown = text(overview_page(alice_client))

    assert "Previous hour (closing)" in shown
    assert "The hour has ended; its bill is issued when it closes" in shown


def test_closed_and_open_hours_add_up_to_day_and_month(acme):
    record(report("1"), report("2", occurred_at=at(70)), now=at(75))
    close()
    record(report("3"), now=at(76))  # late: billed in the running hour

    read = overview_of(customer=acme, now=at(80))

    assert read.running.amount == Decimal("0.18")
    assert read.amount_of_day == Decimal("0.27")
    assert [row.amount for row in read.rows[:2]] == [Decimal("0.18"), Decimal("0.09")]
    assert read.rows[1].bill_number == HourlyBill.objects.get().number
    assert len(read.rows) == 24


def test_the_month_is_the_customers_own(acme):
    acme.time_zone = "Pacific/Kiritimati"  # 14 hours ahead of UTC
    first = dt.datetime(2026, 10, 31, 10, tzinfo=dt.UTC)

    assert overview_of(customer=acme, now=first - dt.timedelta(minutes=1)).month == dt.date(2026, 10, 1)
    assert overview_of(customer=acme, now=first).month == dt.date(2026, 11, 1)


def test_late_usage_and_free_trials_are_named(alice_client, acme, clock):
    record(report("1"), now=at(61))
    close()
    record(report("2"), report("3", service="SenseChat-Vision", occurred_at=at(70)), now=at(75))

    shown = text(overview_page(alice_client))

    assert "late used" in shown
    assert "free trial free trial" in shown  # the kind and the amount


def test_the_chart_has_the_tables_figures_as_text(alice_client, acme, clock):
    record(report("1"), now=at(61))
    close()

    html = overview_page(alice_client).content.decode()
    (data,) = re.findall(r'id="hours-data" type="application/json">(.*?)</script>', html)
    chart = json.loads(data)

    assert len(chart["labels"]) == 24
    assert chart["series"][0]["name"] == "SenseChat-5"
    assert chart["series"][0]["amounts"][-2:] == ["0.09", "0"]


def test_the_overview_shows_nothing_of_another_customer(alice_client, acme, globex, clock):
    record(report(customer="globex"), report("2", customer="globex", occurred_at=at(70)), now=at(75))
    close()

    shown = text(overview_page(alice_client))

    assert "There is no bill yet." in shown
    assert "globex" not in shown.lower()


def test_the_overview_takes_as_many_queries_for_a_day_as_for_an_hour(
    alice_client, acme, clock, django_assert_max_num_queries
):
    a_day_of_bills(30)
    clock(at(20))
    record(report("now", service="SenseChat", occurred_at=at(15)), now=at(16))

    with django_assert_max_num_queries(12):
        assert overview_page(alice_client).status_code == 200


# --- Bills ---------------------------------------------------------------------------------------


def test_a_bill_shows_every_line_with_all_its_digits(alice_client, acme):
    record(report(input_tokens=7, output_tokens=3))
    close()
    number = HourlyBill.objects.get().number

    shown = text(alice_client.get(reverse("bill", args=[number])))

    assert "Input tokens 1 7 0.04 thousand tokens limited-time offer 0.00028" in shown
    assert "Output tokens 1 3 0.10 thousand tokens list price 0.00030" in shown
    assert "Total RMB 0.00058" in shown
    assert "nothing is rounded on a bill" in shown.lower()


def test_a_bill_names_late_lines_own_prices_and_free_trials(alice_client, acme):
    price("SenseChat", "input_tokens", "0.01", begins_at=THE_HOUR - HOUR, customer=acme)
    record(report("1"))
    close()
    record(report("2"), report("3", service="SenseChat", occurred_at=at(65)), now=at(70))
    record(report("4", service="SenseChat-Vision", occurred_at=at(65)), now=at(70))
    close(hour=1)

    shown = text(alice_client.get(reverse("bill", args=[HourlyBill.objects.latest("hour_id").number])))

    assert "Input tokens late used" in shown
    assert "your contract price" in shown
    assert "free trial" in shown


def test_a_bills_queries_do_not_grow_with_its_lines(alice_client, acme):
    record(
        *(
            report(f"{n}", service=name)
            for n, name in enumerate(["SenseChat-5", "SenseChat", "SenseChat-32K"])
        )
    )
    close()

    url = reverse("bill", args=[HourlyBill.objects.get().number])

    page = get_within(alice_client, url, queries=5)

    assert len(page.context["sections"]) == 3


@pytest.mark.parametrize("page", ["bill", "bill_csv"])
def test_anothers_bill_looks_like_one_that_does_not_exist(bob_client, acme, page):
    record()
    close()

    there = bob_client.get(reverse(page, args=[HourlyBill.objects.get().number]))
    nowhere = bob_client.get(reverse(page, args=["20200101T00Z-acme"]))

    assert (there.status_code, nowhere.status_code) == (404, 404)
    assert there.content == nowhere.content


def test_bills_are_paged_by_key_and_come_back(alice_client, acme, monkeypatch):
    monkeypatch.setattr("invoices.portal.views.BILLS_A_PAGE", 2)
    a_day_of_bills(5)
    url = reverse("customer_bills", args=["acme"])
    numbers = list(HourlyBill.objects.order_by("-hour_id").values_list("number", flat=True))

    newest = get_within(alice_client, url, queries=9)
    middle = alice_client.get(url, {"older_than": newest.context["page"].older_than})
    oldest = alice_client.get(url, {"older_than": middle.context["page"].older_than})
    back = alice_client.get(url, {"newer_than": oldest.context["page"].newer_than})

    pages = [
        [bill.number for bill in answer.context["page"].bills] for answer in (newest, middle, oldest, back)
    ]
    assert pages == [numbers[:2], numbers[2:4], numbers[4:], numbers[2:4]]
    assert newest.context["page"].newer_than is None
    assert oldest.context["page"].older_than is None
    assert back.context["page"].newer_than == middle.context["page"].newer_than is not None


def test_a_day_of_bills_is_the_customers_day(alice_client, acme):
    a_day_of_bills(30)
    shanghai = dt.timezone(dt.timedelta(hours=8))
    day = (THE_HOUR - HOUR).astimezone(shanghai).date()

    answer = alice_client.get(reverse("customer_bills", args=["acme"]), {"from": day, "to": day})

    expected = [bill for bill in HourlyBill.objects.all() if bill.hour_id.astimezone(shanghai).date() == day]
    assert {bill.number for bill in answer.context["page"].bills} == {bill.number for bill in expected}


@pytest.mark.parametrize("asked", [{"from": "tomorrow"}, {"to": "9999-12-31"}, {"older_than": "x"}])
def test_a_query_that_cannot_be_read_is_said_at_the_form(alice_client, asked):
    answer = alice_client.get(reverse("customer_bills", args=["acme"]), asked)

    assert answer.status_code == 400
    assert "No bills were read" in text(answer)


# --- In the admin --------------------------------------------------------------------------------


def test_hours_and_bills_can_be_read_but_not_changed(operator_client, acme):
    record()
    closed = close()
    bill = HourlyBill.objects.get()
    pages = {"admin:usage_billinghour": closed.hour, "admin:invoices_hourlybill": bill.pk}

    for page, key in pages.items():
        assert operator_client.get(reverse(f"{page}_changelist")).status_code == 200
        assert operator_client.get(reverse(f"{page}_change", args=[key])).status_code == 200
        assert operator_client.post(reverse(f"{page}_change", args=[key]), {}).status_code == 403
        assert operator_client.get(reverse(f"{page}_add")).status_code == 403
        assert operator_client.post(reverse(f"{page}_delete", args=[key]), {"post": "yes"}).status_code == 403


def test_the_admin_reads_a_bills_lines_at_once(operator_client, acme):
    names = ["SenseChat-5", "SenseChat", "SenseChat-32K", "SenseChat-128K", "SenseChat-Turbo"]
    record(*(report(name, service=name) for name in names))
    close()
    url = reverse("admin:invoices_hourlybill_change", args=[HourlyBill.objects.get().pk])

    page = get_within(operator_client, url, queries=6)

    assert all(name in page.content.decode() for name in names)


def test_a_closed_hour_links_to_its_bills(operator_client, acme):
    record()
    close()

    html = operator_client.get(reverse("admin:usage_billinghour_changelist")).content.decode()
    (link,) = re.findall(r'href="([^"]*hour__hour=[^"]*)"', html)

    assert operator_client.get(link).context["cl"].result_count == 1


def test_the_newest_bills_come_first_in_the_admin(operator_client, acme):
    a_day_of_bills(3)

    found = operator_client.get(reverse("admin:invoices_hourlybill_changelist")).context["cl"].result_list

    hours = [bill.hour_id for bill in found]
    assert hours == sorted(hours, reverse=True)


# --- Words for amounts and hours -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "shown", "in_full"),
    [
        ("1051.59758", "RMB 1,051.60", "1,051.59758"),
        ("0", "RMB 0.00", "0.00"),
        ("0.00000000000001", "RMB 0.00000000000001", "0.00000000000001"),
        ("0.01", "RMB 0.01", "0.01"),
        (
            "1234567890123456789012345678.12345678901234",
            None,
            "1,234,567,890,123,456,789,012,345,678.12345678901234",
        ),
        ("12.50000000000000", "RMB 12.50", "12.50"),
    ],
)
def test_amounts_are_shown_without_losing_a_digit(amount, shown, in_full):
    assert exact(Decimal(amount)) == in_full
    assert rmb(Decimal(amount)) == (shown or "RMB 1,234,567,890,123,456,789,012,345,678.12")
    assert Decimal(plain(Decimal(amount))) == Decimal(amount)


def test_an_hour_is_written_with_its_end(settings):
    assert hour_text(dt.datetime(2026, 11, 23, 23, tzinfo=dt.UTC)) == "2026-11-23 23:00-00:00"
    assert hour_of(at(10)) == THE_HOUR
