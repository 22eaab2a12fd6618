"""The admin's deeds of correction: releasing parked hours, reversing records, re-rating prices."""

import html
import re
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import User
from invoices.models import HourlyBill, ParkedHour, Release, Rerating
from invoices.parking import release
from pricing.models import Price
from tests.builders import THE_HOUR, at, close, item, raw_record, record, report
from usage.models import UsageRecord
from usage.reversing import reverse_record

pytestmark = pytest.mark.django_db

OPERATOR = "operator@sensenova.example"
PARKED, RERATINGS = "admin:invoices_parkedhour", "admin:invoices_rerating"


def text(answer):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def staff_client(*permissions):
    """The browser of somebody who works for SenseNova and may do only this."""
    person = User.objects.create_user("clerk@sensenova.example", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


# --- Parked hours --------------------------------------------------------------------------------


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
    assert "cannot be reversed: nobody knows the customer" in page


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


# --- Reversals -----------------------------------------------------------------------------------


def record_page(client, event_id="call-1", customer="acme"):
    return client.get(reverse("usage_record"), {"customer": customer, "event_id": event_id})


def take_back(client, reason="Sent twice.", event_id="call-1"):
    url = reverse("usage_record", query={"customer": "acme", "event_id": event_id})
    return client.post(url, {"reason": reason}, follow=True)


def test_without_a_customer_and_an_id_no_record_is_read(operator_client, acme, django_assert_max_num_queries):
    record()

    with django_assert_max_num_queries(3):
        page = operator_client.get(reverse("usage_record"))

    assert page.context["record"] is None
    assert "call-1" not in text(page)


@pytest.mark.parametrize(
    ("customer", "event_id", "said"),
    [
        ("nobody", "call-1", "There is no such customer."),
        ("acme", "call-2", "acme has no record of this id."),
        ("acme", "", "This field is required."),
        ("globex", "call-1", "globex has no record of this id."),
    ],
)
def test_a_record_that_is_not_there_is_said_at_the_form(
    operator_client, acme, globex, customer, event_id, said
):
    record()

    assert said in text(record_page(operator_client, event_id, customer))


def test_a_record_is_shown_with_its_bill(operator_client, acme):
    record()
    close()

    page = record_page(operator_client)

    assert "SenseChat-5" in text(page)
    assert "Input tokens 1,000 Output tokens 500" in text(page)
    url = reverse("admin:invoices_hourlybill_change", args=[HourlyBill.objects.get().pk])
    assert url in page.content.decode()


def test_a_record_whose_hour_is_open_or_parked_has_no_bill_yet(operator_client, acme, settings):
    record()
    open_ = text(record_page(operator_client))
    settings.PARK_ABOVE_AMOUNT = Decimal(0)
    close()

    assert "Bill none yet: it comes when the hour closes" in open_
    assert "Bill none: the hour is parked" in text(record_page(operator_client))


def test_a_record_is_reversed_for_a_reason(operator_client, acme):
    record()
    close()

    shown = text(take_back(operator_client))

    reversal = UsageRecord.objects.get(reverses="call-1")
    assert reversal.metadata == {"reason": "Sent twice.", "by": OPERATOR}
    assert f"it is taken back on the bill of {at(60):%Y-%m-%d %H:%M} UTC" in shown
    assert "It was reversed" in shown
    assert f"Reason Sent twice. Reversed by {OPERATOR}" in shown


def test_a_reversal_is_shown_with_the_bill_on_which_it_is(operator_client, acme):
    record()
    close()
    take_back(operator_client)
    close(hour=1)

    page = record_page(operator_client).content.decode()

    assert HourlyBill.objects.get(hour=at(60)).number in page


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
def test_without_a_reason_nothing_is_reversed(operator_client, acme, reason):
    record()

    answer = take_back(operator_client, reason)

    assert answer.context["form"].errors["reason"]
    assert UsageRecord.objects.count() == 1


def test_what_the_verb_refuses_is_said_in_words(operator_client, acme):
    record()
    reversal = reverse_record(customer=acme, event_id="call-1", reason="Ours.", by="other", now=at(70))

    again = take_back(operator_client, "Sent twice.")
    twice_back = take_back(operator_client, "Sent twice.", reversal.event_id)

    assert "was reversed before. Nothing was stored. The reason then: Ours." in text(again)
    assert "event_id: this record is a reversal itself." in " ".join(
        twice_back.context["form"].non_field_errors()
    )
    assert UsageRecord.objects.count() == 2


def test_an_id_is_shown_and_linked_literally(operator_client, acme):
    event_id = "<b>&?x=1#%s\u202e 账"
    record(report(event_id))

    page = record_page(operator_client, event_id)

    assert page.context["record"].event_id == event_id
    assert "<b>&" not in page.content.decode()
    take_back(operator_client, event_id=event_id)
    assert UsageRecord.objects.filter(reverses=event_id).exists()


def test_who_may_look_at_records_may_not_reverse_them(acme):
    record()
    client = staff_client("view_usagerecord")

    assert "You may look at usage records, but not reverse them." in text(record_page(client))
    take_back(client)
    assert UsageRecord.objects.count() == 1


def test_staff_without_the_right_see_no_record(acme):
    record()
    client = staff_client("view_hourlybill")

    assert record_page(client).status_code == 403
    assert take_back(client).status_code == 403
    assert UsageRecord.objects.count() == 1


# --- Re-rating -----------------------------------------------------------------------------------


def wrong_price():
    return Price.objects.get(billing_item=item("SenseChat-5", "input_tokens"), customer=None, ends_at=None)


def asked(**fields):
    """What the page is asked: 0.03 RMB instead of 0.04 for THE_HOUR."""
    query = {
        "price": wrong_price().pk,
        "from_hour": f"{THE_HOUR:%Y-%m-%dT%H:%M}",
        "until_hour": f"{at(60):%Y-%m-%dT%H:%M}",
        "unit_price": "0.03",
    }
    return query | fields


def preview(client, **fields):
    return client.get(reverse(f"{RERATINGS}_add"), asked(**fields))


def order(client, reason="The contract says 0.03.", **fields):
    return client.post(reverse(f"{RERATINGS}_add", query=asked(**fields)), {"reason": reason}, follow=True)


@pytest.fixture
def used(acme, globex):
    """Acme has used twice as much as Globex in THE_HOUR, which is closed."""
    record(report(), report("more"), report(customer="globex"))
    close()


def test_a_rerating_shows_its_effect_for_each_customer_first(operator_client, used):
    page = preview(operator_client)

    assert [row[:1] + row[4:] for row in page.context["preview"]["rows"]] == [
        ["acme", "0.08", "0.06", "-0.02"],
        ["globex", "0.04", "0.03", "-0.01"],
    ]
    assert "2 customers, together -0.03 RMB" in text(page)
    assert "Re-rate: -0.03 RMB for 2 customers" in text(page)
    assert not Rerating.objects.exists()


def test_of_many_customers_the_largest_are_shown_and_all_are_summed(operator_client, used, monkeypatch):
    monkeypatch.setattr("invoices.rerating_admin.CUSTOMERS_SHOWN", 1)

    page = preview(operator_client)

    assert [row[0] for row in page.context["preview"]["rows"]] == ["acme"]
    assert "2 customers, together -0.03 RMB. The 1 with the largest difference" in text(page)


def test_an_effect_that_is_empty_is_said(operator_client, used):
    shown = text(preview(operator_client, unit_price="0.04"))

    assert "Nothing was charged at this price for usage in these hours" in shown
    assert "Reason" not in shown


WRONG = {
    "within an hour": ({"from_hour": f"{THE_HOUR:%Y-%m-%dT%H}:30"}, "from_hour", "Give a whole hour"),
    "backwards": ({"until_hour": f"{THE_HOUR:%Y-%m-%dT%H:%M}"}, "until_hour", "must end after it begins"),
    "open": ({"until_hour": f"{at(120):%Y-%m-%dT%H:%M}"}, "until_hour", "Only closed hours can be re-rated"),
    "below 0": ({"unit_price": "-1"}, "unit_price", "greater than or equal to 0"),
    "a million": ({"unit_price": "1000000"}, "unit_price", "less than or equal to 999999"),
    "too fine": ({"unit_price": "0.000000001"}, "unit_price", "no more than 8 decimal places"),
    "no number": ({"unit_price": "NaN"}, "unit_price", "Enter a number."),
    "no price": ({"price": "0"}, "price", "Select a valid choice."),
}


@pytest.mark.parametrize(("fields", "field", "said"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_rerated_is_said_at_the_form_and_not_ordered(
    operator_client, used, fields, field, said
):
    shown, ordered = preview(operator_client, **fields), order(operator_client, **fields)

    assert said in shown.context["asked"].errors[field][0]
    assert shown.context["preview"] is None
    assert said in ordered.context["asked"].errors[field][0]
    assert not Rerating.objects.exists()


def test_a_rerating_is_ordered_with_who_and_why_and_shows_what_was_billed(operator_client, used):
    ordered = order(operator_client)
    made = Rerating.objects.get()
    close(hour=1)
    page = operator_client.get(reverse(f"{RERATINGS}_change", args=[made.pk]))

    assert (made.ordered_by, made.reason) == (OPERATOR, "The contract says 0.03.")
    assert f"it is on the bills of {at(60):%Y-%m-%d %H:%M} UTC" in text(ordered)
    assert ordered.context["is_billed"] is False
    assert page.context["preview"] == ordered.context["preview"]  # as it was previewed, so it was billed
    assert "What was billed" in text(page)
    assert sum(bill.amount for bill in HourlyBill.objects.filter(hour=at(60))) == Decimal("-0.03")


@pytest.mark.parametrize("reason", ["", "x" * 501])
def test_without_a_reason_nothing_is_rerated(operator_client, used, reason):
    assert order(operator_client, reason).context["form"].errors["reason"]
    assert not Rerating.objects.exists()


def test_a_second_order_for_the_same_bills_is_refused_in_words(operator_client, used):
    order(operator_client)

    shown = text(order(operator_client, unit_price="0.02"))

    assert "Another re-rating of this price waits for the same bills." in shown
    assert Rerating.objects.count() == 1


def test_reratings_are_listed_with_what_came_of_them(operator_client, used):
    order(operator_client)
    waiting = text(operator_client.get(reverse(f"{RERATINGS}_changelist")))
    close(hour=1)
    billed = text(operator_client.get(reverse(f"{RERATINGS}_changelist")))

    assert f"The contract says 0.03. {OPERATOR} comes with the closing of" in waiting
    assert f"The contract says 0.03. {OPERATOR} -0.03" in billed


def test_the_list_of_reratings_takes_as_many_queries_for_two_as_for_one(
    operator_client, used, django_assert_max_num_queries
):
    order(operator_client)
    close(hour=1)
    order(operator_client, unit_price="0.02")

    with django_assert_max_num_queries(8):
        operator_client.get(reverse(f"{RERATINGS}_changelist"))


def test_who_may_look_at_reratings_may_not_order_them(used):
    client = staff_client("view_rerating", "view_price")

    assert preview(client).status_code == 403
    assert order(client).status_code == 403
    assert not Rerating.objects.exists()


def test_a_price_is_chosen_by_its_service_and_item(operator_client):
    found = operator_client.get(
        reverse("admin:autocomplete"),
        {
            "term": "SenseChat-5 input",
            "app_label": "invoices",
            "model_name": "rerating",
            "field_name": "price",
        },
    ).json()["results"]

    assert {one["id"] for one in found} >= {f"{wrong_price().pk}"}
    assert all("Input tokens: " in one["text"] for one in found)


# --- Bills, and the way there ----------------------------------------------------------------------


def test_a_bills_lines_show_what_they_correct(operator_client, used):
    corrected = HourlyBill.objects.get(customer_code="acme")
    order(operator_client)
    take_back(operator_client)
    close(hour=1)
    bill = HourlyBill.objects.get(customer_code="acme", hour=at(60))

    page = operator_client.get(reverse("admin:invoices_hourlybill_change", args=[bill.pk]))

    shown = text(page)
    assert f"reversed: {corrected.number}" in shown
    assert f"taken back: {corrected.number} , re-rating" in shown
    assert f"charged anew: {corrected.number} , re-rating" in shown
    assert reverse("admin:invoices_hourlybill_change", args=[corrected.pk]) in page.content.decode()


def test_the_bill_of_a_released_hour_says_with_which_hour_it_is_sealed(operator_client, parked):
    let_go(operator_client, parked)
    close(hour=1)
    bill = HourlyBill.objects.get()

    shown = text(operator_client.get(reverse("admin:invoices_hourlybill_change", args=[bill.pk])))

    assert f"{at(60):%Y-%m-%d %H:%M}: it was parked" in shown


PAGES = {
    "Parked hours": "view_parkedhour",
    "Re-ratings": "view_rerating",
    "Usage records": "view_usagerecord",
}


@pytest.mark.parametrize(("title", "permission"), PAGES.items())
def test_the_sidebar_shows_what_a_person_may_see(title, permission):
    client = staff_client(permission)

    shown = text(client.get(reverse("admin:index")))

    assert title in shown
    assert not any(other in shown for other in PAGES if other != title)
