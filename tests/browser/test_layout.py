"""What can be read and hit on a phone, on a desktop, on paper and by keyboard."""

import pytest
from django.urls import reverse

from tests.browser.pages import PAGES, admin_addresses
from tests.browser.test_accessibility import DESKTOP, PHONE
from tests.translations.test_pages import addresses

pytestmark = pytest.mark.django_db(transaction=True)

TOO_SMALL = """
() => [...document.querySelectorAll("table a")]
  .filter((link) => link.getBoundingClientRect().height > 0 && link.getBoundingClientRect().height < 24)
  .map((link) => link.textContent)
"""
CUT = """
() => [...document.querySelectorAll("#result_list td, #result_list th")]
  .filter((cell) => cell.scrollHeight > cell.clientHeight + 1).map((cell) => cell.textContent)
"""
# Pages of the admin with long texts, ids, choices or buttons.
LONG = ("accounts_servicekey_add", "end_terms", "invoices_rerating_add", "usage_billinghour")
LONG_LISTS = ("pricing_prices", "pricing_billingitems", "invoices_reratings")
# Whether each of these cells is what one sees in its middle.
IN_SIGHT = """
(cells) => cells.map((cell) => {
  cell.scrollIntoView({block: "center"});
  const range = document.createRange();
  range.selectNodeContents(cell);
  const { left, right, top, bottom } = range.getBoundingClientRect();
  return cell.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
})
"""


def test_no_page_of_a_customer_scrolls_sideways_on_a_phone_and_a_finger_hits_its_links(
    admin, everything, alice
):
    page = admin(alice)
    page.set_viewport_size(PHONE)
    for name in PAGES:
        for address in addresses(name, most=2):
            page.goto(address)
            assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), address
            assert page.evaluate(TOO_SMALL) == [], address


LINE = ("Quantity", "Unit price (RMB)", "Amount (RMB)")
HEADS = {
    "bill": LINE,
    "bill_print": LINE,
    "customer_month": LINE,
    "charge_line": ("Request ID", "Reported", "Quantity", "Amount (RMB)"),
    "customer_usage": ("Calls", "Tokens", "Saved (RMB)", "Amount (RMB)"),
}


@pytest.mark.parametrize("name", HEADS)
def test_every_figure_of_a_line_can_be_read_on_a_phone(name, admin, everything, alice):
    page = admin(alice)
    page.set_viewport_size(PHONE)
    page.goto(addresses(name)[0])

    for head in HEADS[name]:
        seen = page.locator(f'td[data-head="{head}"]').evaluate_all(IN_SIGHT)
        assert seen
        assert all(seen), head


def test_the_keyboard_reaches_the_content_at_once(admin, everything, alice):
    page = admin(alice)
    page.goto("/customers/acme")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "content"


def test_the_chart_fits_on_paper_and_is_drawn_for_white_paper(admin, everything, alice):
    page = admin(alice)
    page.emulate_media(color_scheme="dark")
    page.goto("/customers/acme")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})

    chart, card = (page.locator(one).bounding_box() for one in ("#last-day canvas", "#last-day"))
    assert chart["x"] + chart["width"] <= card["x"] + card["width"]
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") is None


def test_the_admin_shows_its_title_its_last_entries_and_figures_on_the_right(admin, everything, operator):
    page = admin(operator)
    page.set_viewport_size(DESKTOP)
    page.goto(reverse("admin:pricing_price_changelist"))

    assert page.locator("h1").evaluate("(title) => title.scrollWidth <= title.clientWidth")
    last = page.locator("#nav-sidebar-apps a").last.bounding_box()
    sidebar = page.locator("#nav-sidebar-apps").bounding_box()
    assert last["y"] + last["height"] <= sidebar["y"] + sidebar["height"]
    page.goto(reverse("admin:invoices_hourlybill_changelist"))
    amounts = page.locator("td.field-amount_text")
    assert set(amounts.evaluate_all("(all) => all.map((one) => getComputedStyle(one).textAlign)")) == {
        "right"
    }


def test_no_page_of_the_admin_scrolls_sideways_on_a_phone_or_cuts_a_cell_and_each_has_one_title(
    admin, everything, operator
):
    page = admin(operator)
    page.set_viewport_size(PHONE)
    visited = admin_addresses()
    for name in LONG + LONG_LISTS:
        page.goto(visited[name])
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(CUT) == [], name
        assert page.locator("h1").count() == 1, name


def test_an_address_in_the_trail_of_the_admin_is_written_as_it_is(admin, everything, operator, alice):
    page = admin(operator)
    page.goto(reverse("admin:accounts_user_change", args=[alice.pk]))

    assert "alice@acme.example" in page.locator("h1").text_content()


def test_every_entry_of_the_menu_and_every_button_of_a_row_is_in_sight_on_a_desktop(admin, everything, alice):
    page = admin(alice)
    page.set_viewport_size(DESKTOP)
    for name in ("customer_budgets", "customer_webhook"):
        page.goto(addresses(name)[0])
        tables = page.locator(".table").evaluate_all(
            "(all) => all.map((one) => one.scrollWidth <= one.clientWidth)"
        )
        assert all(tables), name
    assert page.locator(".side").evaluate("(menu) => menu.scrollHeight <= menu.clientHeight")
