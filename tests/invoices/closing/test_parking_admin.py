"""Parked hours in the admin: what waits comes first, and is released for a reason."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from invoices.closing.parking import release
from invoices.models import HourlyBill, ParkedHour, Release
from tests.builders import THE_HOUR, at, close, raw_record, record, report
from tests.invoices.browsing import OPERATOR, staff_client, text

pytestmark = pytest.mark.django_db

PARKED = "admin:invoices_parkedhour"


@pytest.fixture
def bounds(settings):
    """An hour may come to 10 RMB."""
    settings.PARK_ABOVE_AMOUNT = Decimal(10)


@pytest.fixture
def parked(acme, bounds):
    """Acme's THE_HOUR, which came to 11.09 RMB."""
    record(report("small"), report("large", input_tokens=275_000, output_tokens=0))
    close()
    return ParkedHour.objects.get()


def parked_list(client, **query):
    return client.get(reverse(f"{PARKED}_changelist"), query)


def parked_page(client, parked):
    return client.get(reverse(f"{PARKED}_change", args=[parked.pk]))


def let_go(client, parked, reason="Checked by phone."):
    return client.post(reverse(f"{PARKED}_release", args=[parked.pk]), {"reason": reason}, follow=True)


def test_a_parked_hour_is_listed_with_its_reason(operator_client, parked):
    shown = text(parked_list(operator_client))

    assert f"acme {THE_HOUR:%Y-%m-%d %H:%M} waits 11.09 RMB in an hour is more than 10 RMB. 2 11.09" in shown


def test_what_waits_comes_first_and_what_is_billed_last(operator_client, acme, bounds):
    for hour in range(4):
        record(report(f"{hour}", input_tokens=300_000, occurred_at=at(10, hour=hour - 4)))
    for hour in range(3):
        close(hour=hour - 4)
    oldest, second, third = ParkedHour.objects.order_by("hour_id")
    release(parked=second, reason="Right.", by=OPERATOR, now=at(0))
    close(hour=-1)
    release(parked=third, reason="Right.", by=OPERATOR, now=at(0))

    found = parked_list(operator_client).context["cl"].result_list

    newest = ParkedHour.objects.latest("hour_id")
    assert list(found) == [oldest, newest, third, second]
    assert [row.rank for row in found] == [0, 0, 1, 2]


@pytest.mark.parametrize(("state", "number"), [("waits", 1), ("released", 0), ("billed", 0), ("odd", 1)])
def test_parked_hours_are_filtered_by_state(operator_client, parked, state, number):
    assert parked_list(operator_client, state=state).context["cl"].result_count == number


def test_parked_hours_are_found_by_the_customers_code(operator_client, parked):
    assert parked_list(operator_client, q="acm").context["cl"].result_count == 1
    assert parked_list(operator_client, q="globex").context["cl"].result_count == 0


def test_a_parked_hour_of_an_unknown_customer_is_shown_by_number(operator_client, acme):
    raw_record(customer_id=987_654)
    close()

    shown = text(parked_list(operator_client))
    page = text(parked_page(operator_client, ParkedHour.objects.get()))

    assert "unknown (number 987654)" in shown
    assert "There is no such customer." in page
    assert "cannot be reversed: unknown customer" in page


def test_a_parked_hours_page_shows_the_largest_records_first(operator_client, parked):
    page = parked_page(operator_client, parked)

    assert [row[0] for row in page.context["records"]["rows"]] == ["large", "small"]
    link = f"{reverse('usage_record')}?customer=acme&amp;event_id=large"
    assert link in page.content.decode()


def test_a_release_asks_for_the_reason_and_names_the_consequence(operator_client, parked):
    page = operator_client.get(reverse(f"{PARKED}_release", args=[parked.pk]))

    assert "Release: have 11.09 RMB billed" in text(page)
    assert not Release.objects.exists()


def test_a_release_is_recorded_with_who_and_why_and_billed(operator_client, parked):
    shown = text(let_go(operator_client, parked))
    released = Release.objects.get()
    close(hour=1)

    assert (released.released_by, released.reason) == (OPERATOR, "Checked by phone.")
    assert f"Its bill comes with the closing of {at(60):%Y-%m-%d %H:%M}" in shown
    bill = HourlyBill.objects.get()
    page = parked_page(operator_client, parked)
    assert reverse("admin:invoices_hourlybill_change", args=[bill.pk]) in page.content.decode()
    assert f"Released by {OPERATOR}: Checked by phone." in text(page)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_without_a_reason_nothing_is_released(operator_client, parked, reason):
    answer = let_go(operator_client, parked, reason)

    assert answer.status_code == 200
    assert answer.context["form"].errors["reason"]
    assert not Release.objects.exists()


def test_what_is_released_is_not_released_again(operator_client, parked):
    let_go(operator_client, parked)

    assert let_go(operator_client, parked, "Again.").status_code == 403
    assert Release.objects.get().reason == "Checked by phone."


@pytest.mark.parametrize("number", ["0", "x"])
def test_what_is_not_parked_is_not_released(operator_client, number):
    assert operator_client.get(reverse(f"{PARKED}_release", args=[number])).status_code == 404


def test_a_release_that_still_does_not_add_up_says_so(operator_client, acme):
    raw_record(customer_id=987_654)
    close()
    parked = ParkedHour.objects.get()
    let_go(operator_client, parked)
    close(hour=1)

    assert "It still does not add up; each closing tries again." in text(parked_page(operator_client, parked))


def test_who_may_look_at_parked_hours_may_not_release_them(parked):
    client = staff_client("view_parkedhour")

    assert "Release" not in text(parked_page(client, parked)).split("Parked hours")[-1]
    assert let_go(client, parked).status_code == 403
    assert not Release.objects.exists()


def test_who_may_release_releases(parked):
    client = staff_client("view_parkedhour", "add_release")

    let_go(client, parked)

    assert Release.objects.get().released_by == "clerk@sensenova.example"


def test_parked_hours_are_never_edited(operator_client, parked):
    page = reverse(f"{PARKED}_change", args=[parked.pk])

    assert operator_client.post(page, {"reason": "None."}).status_code == 403
    assert operator_client.get(reverse(f"{PARKED}_add")).status_code == 403
    assert operator_client.post(reverse(f"{PARKED}_delete", args=[parked.pk])).status_code == 403


def test_a_closed_hour_links_to_what_is_parked_of_it(operator_client, parked):
    page = operator_client.get(reverse("admin:usage_billinghour_changelist")).content.decode()
    (link,) = re.findall(r'href="([^"]*parkedhour/\?hour__hour=[^"]*)"', page)

    assert operator_client.get(link).context["cl"].result_count == 1


def test_the_bill_of_a_released_hour_says_with_which_hour_it_is_sealed(operator_client, parked):
    let_go(operator_client, parked)
    close(hour=1)
    bill = HourlyBill.objects.get()

    shown = text(operator_client.get(reverse("admin:invoices_hourlybill_change", args=[bill.pk])))

    assert f"{at(60):%Y-%m-%d %H:%M}: it was parked" in shown
