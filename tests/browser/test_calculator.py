"""The calculator of the price page in a browser, with its script."""

import pytest

from tests.written_numbers import WHOLE_NUMBERS

pytestmark = pytest.mark.django_db(transaction=True)


def total(page):
    return page.locator("#estimate-total")


def test_what_one_types_is_priced_at_once(page):
    page.goto("/prices")
    page.select_option("[name=service]", "SenseChat-5")

    page.fill("[name=input_tokens]", "1,500")
    page.fill("[name=output_tokens]", "7")

    total(page).get_by_text("0.0607", exact=True).wait_for()


def test_pasted_text_is_counted(page):
    page.goto("/prices")
    page.select_option("[name=service]", "nova-tts-1")

    page.fill("[name=input_text]", "你好，世界。")

    row = page.locator("#estimate tbody tr")
    row.get_by_text("Input characters").wait_for()
    assert row.locator("td").first.inner_text() == "6"
    assert "text" not in page.url


def test_only_the_fields_that_a_service_charges_for_are_shown(page):
    page.goto("/prices")

    page.select_option("[name=service]", "nova-embedding-stable")

    assert page.locator("[name=input_tokens]").is_visible()
    assert not page.locator("[name=output_tokens]").is_visible()
    assert not page.locator("[name=input_text]").is_visible()


def test_a_number_that_is_none_is_said_at_once(page):
    page.goto("/prices")

    page.fill("[name=input_tokens]", "many")

    page.locator("#calculator-error").get_by_text("Input tokens: give a whole number").wait_for()


def test_the_script_reads_numbers_as_the_page_does(page):
    page.goto("/prices")
    page.select_option("[name=service]", "SenseChat-5")
    field, error, result = (
        page.locator(at) for at in ("[name=input_tokens]", "#calculator-error", "#estimate")
    )

    for text, number in WHOLE_NUMBERS.items():
        field.fill("")
        field.press("Enter")  # asks at once, and does not wait whether more is typed
        error.wait_for(state="hidden")
        result.wait_for(state="hidden")
        field.fill(text)
        field.press("Enter")
        if number is None:
            error.get_by_text("Input tokens: give").wait_for()
        else:
            result.locator("td").first.get_by_text(f"{number:,}", exact=True).wait_for()
