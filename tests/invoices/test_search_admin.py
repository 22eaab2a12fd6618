"""One search finds customers, people, keys, services, bills, packages and records, for who may see each."""

import pytest
from django.urls import reverse

from accounts.api_keys.keys import issue_service_key
from accounts.models import ServiceKey
from invoices.models import HourlyBill
from tests.builders import close, record, report
from tests.invoices.browsing import staff_client, text
from tests.packages import buy
from tests.querying import get_within

pytestmark = pytest.mark.django_db

SEARCH = reverse("admin_search")


def found(client, words):
    """What a search finds: the words of each hit, by the kind."""
    page = client.get(SEARCH, {"q": words})
    assert page.status_code == 200
    return {title: [hit.text for hit in hits] for title, hits in page.context["found"]}


def test_a_customer_is_found_by_a_part_of_its_name_or_code(operator_client, acme, globex):
    assert found(operator_client, "ACM") == {"Customers": ["acme"]}
    assert found(operator_client, "gmbh") == {"Customers": ["globex"]}


def test_a_person_is_found_by_a_part_of_the_address(operator_client, alice):
    assert found(operator_client, "alice@") == {"People": ["alice@acme.example"]}


def test_a_bill_a_package_and_a_record_are_found_by_all_of_their_number(operator_client, acme):
    package = buy(acme).number
    record(report("call-77", service="SenseChat-Turbo"))
    close()
    number = HourlyBill.objects.get().number

    assert found(operator_client, number) == {"Bills": [number]}
    assert found(operator_client, package) == {"Packages": [package]}
    assert found(operator_client, "call-77") == {"Usage records": ["call-77"]}
    assert found(operator_client, "call-7") == {}


def test_an_event_id_is_found_with_each_customer_that_has_it(operator_client, acme, globex):
    record(report("same"), report("same", customer="globex"))

    page = text(operator_client.get(SEARCH, {"q": "same"}))

    assert "acme" in page
    assert "globex" in page


def test_a_key_is_found_by_its_name_its_prefix_and_the_whole_key(operator_client):
    key, whole = issue_service_key(name="chat-gateway-9")

    for words in ("gateway-9", key.prefix, whole):
        assert found(operator_client, words) == {"Service keys": ["chat-gateway-9"]}
    assert ServiceKey.objects.count() == 1


def test_a_person_sees_only_kinds_that_may_be_seen(acme, alice):
    record(report("acme"))

    assert found(staff_client("view_customer"), "acme") == {"Customers": ["acme"]}


def test_without_a_right_nothing_is_found(acme):
    assert found(staff_client(), "acme") == {}


def test_people_of_customers_have_no_search(alice_client):
    assert alice_client.get(SEARCH).status_code == 302


def test_what_is_not_there_gives_no_results(operator_client):
    assert "No results." in text(operator_client.get(SEARCH, {"q": "nobody"}))
    assert "No results." not in text(operator_client.get(SEARCH))


@pytest.mark.parametrize("words", ["\0", "'", "%", "x" * 3000, "<script>alert(1)</script>"])
def test_any_words_are_answered(operator_client, words):
    page = operator_client.get(SEARCH, {"q": words})

    assert page.status_code == 200
    assert b"<script>alert" not in page.content


def test_a_search_takes_at_most_twelve_queries(operator_client, acme):
    get_within(operator_client, f"{SEARCH}?q=acme", queries=12)
