"""The price page's calculator without JavaScript."""

import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pricing.catalogue.forms import LONGEST_TEXT
from pricing.models import Service
from pricing.rules.kinds import Kind
from tests.builders import at, price

pytestmark = pytest.mark.django_db

TTS = {"service": "nova-tts-1"}


def ask(**said):
    answer = Client().get(reverse("prices"), said)
    assert answer.status_code == 200
    return answer.content.decode()


def post(**said):
    answer = Client().post(reverse("prices"), said)
    assert answer.status_code == 200
    return answer.content.decode()


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def part(html, pattern):
    found = re.search(pattern, html, re.DOTALL)
    return found[0] if found else ""


def form(html):
    return part(html, r'<form class="inside calculator".*?</form>')


def cost(html):
    """The lines of the estimate and its total; nothing where none is shown."""
    if '<div id="estimate" hidden>' in html:
        return []
    shown = part(html, r'<div id="estimate".*?</table>')
    rows = re.findall(r"<tr[ >].*?</tr>", shown, re.DOTALL)[1:]
    return [[words(cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row, re.DOTALL)] for row in rows]


def errors(html):
    return [words(error) for error in re.findall(r'<p class="errors?"[^>]*>(.*?)</p>', form(html))]


def fields(html):
    """The names of the fields that are shown and sent."""
    tags = re.findall(r"<(?:input|textarea|select)[^>]*>", form(html))
    return [part(tag, r'(?<=name=")[^"]*') for tag in tags if "disabled" not in tag]


def test_the_calculator_starts_with_the_first_service_and_its_fields():
    html = ask()

    assert fields(html) == ["service", "input_tokens", "output_tokens"]
    assert (cost(html), errors(html)) == ([], [])
    assert 'method="get"' in form(html)


def test_services_are_chosen_by_their_groups():
    groups = re.findall(r'<optgroup label="([^"]*)">', form(ask()))

    assert groups[:2] == ["General", "General - Cantonese Version"]
    assert form(ask()).count("<option") == 11


def test_what_tokens_cost_is_shown_line_by_line():
    html = ask(service="SenseChat-5", input_tokens="1,500", output_tokens="7")

    assert cost(html) == [
        ["Input tokens", "1,500", "0.04", "thousand tokens", "limited-time offer", "0.06"],
        ["Output tokens", "7", "0.10", "thousand tokens", "list price", "0.0007"],
        ["Total", "0.0607"],
    ]
    assert 'value="1,500"' in form(html)


def test_a_quantity_of_nothing_is_a_line():
    assert cost(ask(service="SenseChat", input_tokens="0"))[0][1] == "0"


def test_only_a_service_leads_to_its_fields():
    html = ask(**TTS)

    assert fields(html) == ["csrfmiddlewaretoken", "service", "input_characters", "input_text"]
    assert (cost(html), errors(html)) == ([], [])
    assert 'method="post"' in form(html)


def test_another_service_keeps_what_it_charges_for_too_and_drops_the_rest():
    html = ask(input_tokens="5", output_tokens="5", **TTS)

    assert (fields(html)[1:], cost(html), errors(html)) == (
        ["service", "input_characters", "input_text"],
        [],
        [],
    )


def test_pasted_text_is_counted():
    html = post(input_text="你好，world！\r\n", **TTS)

    assert cost(html) == [
        ["Input characters", "9", "–", "thousand characters", "free trial", "free trial"],
        ["Total", "0.00"],
    ]


def test_text_that_counts_for_nothing_is_a_line_of_nothing():
    assert cost(post(input_text="\n\n", **TTS))[0][1] == "0"


def test_ssml_is_counted_without_its_tags_and_shown_as_it_was_typed():
    html = post(input_text="<speak>你好</speak>", **TTS)

    assert cost(html)[0][1] == "2"
    assert "&lt;speak&gt;你好&lt;/speak&gt;</textarea>" in html
    assert "<speak>" not in html


def test_characters_may_be_given_as_a_number():
    assert cost(ask(input_characters="1200", **TTS))[0][1] == "1,200"
    assert cost(post(input_characters="1200", **TTS))[0][1] == "1,200"


def test_text_in_an_address_is_not_asked_back_for_where_tokens_are_charged():
    html = ask(service="SenseChat", input_text="pasted")

    assert "pasted" not in html


def test_a_post_from_elsewhere_is_refused():
    answer = Client(enforce_csrf_checks=True).post(reverse("prices"), TTS | {"input_text": "a"})

    assert answer.status_code == 403


def test_only_a_page_that_posts_sets_a_cookie():
    asked = [{"service": "SenseChat"}, TTS]

    tokens, text = (Client().get(reverse("prices"), said) for said in asked)

    assert ([*tokens.cookies], [*text.cookies]) == ([], ["csrftoken"])


NUMBER = "Give a whole number, e.g. 1500 or 1,500."
BAD_NUMBERS = {
    "-1": "Give 0 or more.",
    "1.5": NUMBER,
    "1e3": NUMBER,
    "1.000": NUMBER,
    "128.000": NUMBER,
    "abc": NUMBER,
    "1,5": NUMBER,
    "NaN": NUMBER,
    "<b>": NUMBER,
    "9007199254740993": "Give 9007199254740992 or less.",
    "9" * 5000: "Give a number of at most 18 digits.",
}


@pytest.mark.parametrize(("typed", "error"), BAD_NUMBERS.items(), ids=lambda text: text[:20])
def test_an_impossible_number_is_an_error_at_its_field(typed, error):
    html = ask(service="SenseChat", input_tokens=typed, output_tokens="5")

    assert errors(html) == ["Nothing was calculated. Correct the fields marked below.", error]
    assert cost(html) == []
    assert 'aria-invalid="true"' in part(form(html), r'<input[^>]*name="input_tokens"[^>]*>')
    assert "<b>" not in form(html)


def test_text_and_number_at_once_are_an_error():
    html = post(input_text="a", input_characters="1", **TTS)

    assert "Give either the number of characters or the text, not both." in errors(html)
    assert cost(html) == []


@pytest.mark.parametrize("service", ["SenseChat-6", "", "<script>", "\0"])
def test_a_service_that_is_not_on_sale_is_an_error(service):
    html = ask(service=service, input_tokens="5")

    assert len(errors(html)) == 2
    assert cost(html) == []
    assert "<script>" not in form(html)


def test_a_text_beyond_the_bound_is_an_error():
    html = post(input_text="x" * (LONGEST_TEXT + 1), **TTS)

    assert "at most 200000 characters" in errors(html)[1]


def test_an_own_price_is_not_what_is_calculated(alice_client, acme):
    price("SenseChat", "input_tokens", "0.00777", begins_at=timezone.now(), customer=acme)

    answer = alice_client.get(reverse("prices"), {"service": "SenseChat", "input_tokens": "1000"})

    assert cost(answer.content.decode())[-1] == ["Total", "0.012"]


def test_an_offer_in_force_is_what_is_calculated():
    price(
        "SenseChat",
        "input_tokens",
        "0.00777",
        begins_at=timezone.now(),
        kind=Kind.LIMITED_TIME_OFFER,
    )

    assert cost(ask(service="SenseChat", input_tokens="1000"))[-1] == ["Total", "0.00777"]


def test_the_page_is_read_and_posted_and_nothing_else():
    assert Client().head(reverse("prices")).status_code == 200
    assert Client().delete(reverse("prices")).status_code == 405


def test_more_cached_input_than_input_is_refused_at_its_field():
    service = Service.objects.get(name="SenseChat-5")
    service.billing_items.create(measure="cached_input_tokens")
    price("SenseChat-5", "cached_input_tokens", "0.01", begins_at=at(0))

    html = ask(service="SenseChat-5", input_tokens=5, cached_input_tokens=6)

    assert errors(html)[1:] == ["This is part of Input tokens, and cannot be more."]
    assert cost(html) == []
