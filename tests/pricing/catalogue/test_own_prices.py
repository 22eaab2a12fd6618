"""A customer's page of prices: its own beside everybody's, what is scheduled, and the calculator."""

import datetime as dt
import html
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pricing.rules.kinds import Kind
from tests.builders import price
from tests.querying import get_within

pytestmark = pytest.mark.django_db

NOW = timezone.now()
SOON = NOW.replace(minute=0, second=0, microsecond=0) + dt.timedelta(days=3)
LATER = SOON + dt.timedelta(days=7)


def url(code="acme"):
    return reverse("customer_prices", args=[code])


def words(page):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


def row(page, service, item="Input tokens"):
    """The words of a service's row."""
    found = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    return next(text for text in map(words, found) if text.startswith(f"{service} {item} "))


def shown(client, code="acme"):
    return client.get(url(code)).content.decode()


def test_a_contract_price_stands_beside_everybodys(alice_client, acme):
    price("SenseChat", "input_tokens", "0.009", begins_at=NOW, customer=acme)

    found = row(shown(alice_client), "SenseChat")

    assert "0.009 RMB/thousand tokens your contract price" in found
    assert found.endswith("0.012 RMB/thousand tokens")


def test_without_contract_prices_the_page_says_that_everybodys_apply(alice_client):
    page = shown(alice_client)

    assert "You have no contract price now: you pay what everybody pays ." in words(page)
    assert row(page, "SenseChat").endswith("0.012 RMB/thousand tokens the same")


def test_prices_agreed_with_another_customer_are_never_seen(alice_client, acme, globex):
    price("SenseChat", "input_tokens", "0.00777", begins_at=NOW, customer=globex)
    price("SenseChat-32K", "input_tokens", "0.00778", begins_at=SOON, customer=globex)

    page = shown(alice_client)

    assert "0.0077" not in page
    assert alice_client.get(url("globex")).status_code == 404


def test_it_asks_for_a_sign_in(acme):
    assert Client().get(url()).status_code == 302


def test_the_end_of_a_contract_price_says_what_comes_after(alice_client, acme):
    price("SenseChat", "input_tokens", "0.009", begins_at=NOW, ends_at=SOON, customer=acme)

    found = row(shown(alice_client), "SenseChat")

    local = f"{SOON.astimezone(dt.timezone(dt.timedelta(hours=8))):%Y-%m-%d %H:%M}"
    assert f"From {local}: 0.012 RMB/thousand tokens That is the price for everybody." in found


def test_an_offer_for_everybody_is_planned_for_others_where_a_contract_price_counts(alice_client, acme):
    price("SenseChat", "input_tokens", "0.009", begins_at=NOW, customer=acme)
    for service in ("SenseChat", "SenseChat-32K"):
        price(
            service,
            "input_tokens",
            "0.001",
            kind=Kind.LIMITED_TIME_OFFER,
            begins_at=SOON,
            ends_at=LATER,
        )

    page = shown(alice_client)

    planned = [
        words(text)
        for text in re.findall(r"<tr>.*?</tr>", page.split('id="upcoming"')[1].split("</section>")[0], re.S)
    ]
    assert [text.split()[2] + (" own" if "what you pay" in text else "") for text in planned[1:]] == [
        "SenseChat-32K own",
        "SenseChat",
        "SenseChat-32K own",
        "SenseChat",
    ]


def test_a_contract_price_that_is_scheduled_is_announced(alice_client, acme):
    price("SenseChat", "input_tokens", "0.009", begins_at=SOON, customer=acme)

    page = words(shown(alice_client))

    assert "SenseChat Input tokens 0.012 RMB/thousand tokens 0.009 RMB/thousand tokens what you pay" in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_calculator_takes_the_customers_prices(alice_client, acme, method):
    price("SenseChat", "input_tokens", "0.009", begins_at=NOW, customer=acme)

    page = getattr(alice_client, method)(url(), {"service": "SenseChat", "input_tokens": "1,000,000"})

    assert "Total 9.00" in words(page.content.decode())
    assert "list price your contract price" in words(page.content.decode())


def test_what_everybody_pays_is_not_changed_by_a_contract(acme):
    price("SenseChat", "input_tokens", "0.009", begins_at=NOW, customer=acme)

    page = Client().get(reverse("prices"), {"service": "SenseChat", "input_tokens": "1000000"})

    assert "Total 12.00" in words(page.content.decode())


def test_the_price_list_leads_to_the_prices_of_who_is_signed_in(alice_client, bob_client):
    assert url() in alice_client.get(reverse("prices")).content.decode()
    assert url() not in bob_client.get(reverse("prices")).content.decode()
    assert "/customers/" not in Client().get(reverse("prices")).content.decode()


def test_the_page_takes_few_queries_however_many_prices_there_are(alice_client, acme):
    for service in ("SenseChat", "SenseChat-32K", "SenseChat-128K"):
        price(service, "input_tokens", "0.009", begins_at=NOW, customer=acme)

    get_within(alice_client, url(), queries=12)
