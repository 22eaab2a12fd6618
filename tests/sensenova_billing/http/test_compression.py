"""Pages and static text are compressed for who takes gzip; answers for programs and files are as they are."""

import gzip
import re

import pytest
from django.test import Client

from tests.builders import at, close, record, report

pytestmark = pytest.mark.django_db

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def weight_of(answer):
    return len(answer.getvalue())


def encoding_of(path, client=None, **headers):
    answer = (client or Client()).get(path, headers=headers or GZIP)
    assert weight_of(answer) > 0
    return answer.headers.get("Content-Encoding")


@pytest.mark.parametrize(
    "path", ["/prices", "/sign-in", "/nothing", "/static/billing/billing.css", "/static/billing/overview.js"]
)
def test_what_a_browser_shows_is_compressed(path):
    assert encoding_of(path) == "gzip"
    assert encoding_of(path, **{"Accept-Encoding": "identity"}) is None


def test_a_compressed_page_is_the_page():
    packed, plain = Client().get("/prices", headers=GZIP), Client().get("/prices")

    assert gzip.decompress(packed.content) == plain.content
    assert int(packed.headers["Content-Length"]) == len(packed.content) < len(plain.content) / 3
    assert "Accept-Encoding" in packed.headers["Vary"]


@pytest.mark.parametrize("path", ["/api/v1/catalog", "/api/schema", "/metrics", "/readyz"])
def test_answers_for_programs_are_as_they_are(path):
    assert encoding_of(path) is None


def test_files_and_pictures_are_as_they_are(alice_client, acme):
    record(report())
    close()

    assert encoding_of("/customers/acme/bills.csv", alice_client) is None
    assert encoding_of("/static/unfold/fonts/inter/Inter-Regular.woff2") is None


def test_a_page_with_the_same_secret_is_never_as_long_twice():
    """Else its length would tell how much of it an attacker's guess repeats (BREACH)."""
    lengths = {len(Client().get("/prices", headers=GZIP).content) for _ in range(20)}

    assert len(lengths) > 5


def test_the_overview_weighs_less_than_120_kb_with_all_that_it_loads(alice_client, acme):
    record(report(), now=at(61))
    page = alice_client.get("/customers/acme", headers=GZIP)
    loaded = re.findall(r'(?:src|href)="(/static/[^"]+)"', gzip.decompress(page.content).decode())

    weights = {path: weight_of(alice_client.get(path, headers=GZIP)) for path in loaded}

    assert any("chart.js" in path for path in weights)
    assert weight_of(page) + sum(weights.values()) < 120 * 1024
