"""A month's bill as a PDF for whoever pays and files it, in the language of the page.

Its font, Noto Sans SC, comes with a package; the characters that a document uses are embedded in it. So
Chinese is drawn by every viewer, whatever fonts that machine has.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple
from zoneinfo import ZoneInfo

from django.utils.translation import get_language, gettext, ngettext
from fpdf import FPDF
from pylopdf_fonts_zh_cn import sans_path

from invoices.documents.monthly_bill import MonthlyBill
from invoices.documents.parties import Party
from invoices.templatetags.amounts import decimals_of, exact, grouped, in_rmb
from pricing.rules.amounts import plain
from pricing.words import measure_name, unit_name
from sensenova_billing.lib.local_time import hour_text, instant_text

_FONT = "Noto Sans SC"
# Of A4, in points.
_MARGIN, _WIDTH, _BOTTOM, _LINE, _FACTS = 42, 511, 794, 14, 170
_INK, _MUTED, _RULE = (17, 24, 39), (95, 103, 116), (209, 213, 219)
_TEXT, _SMALL, _TITLE = 9, 8, 16


class Column(NamedTuple):
    """A column of a table; numbers are on its right."""

    head: str
    width: int
    is_number: bool = False


class _Pages(FPDF):
    """Pages with the document's name and their number at the foot."""

    def __init__(self, *, title: str, foot: str) -> None:
        super().__init__(format="A4", unit="pt")
        self._foot = foot
        self.set_title(title)
        self.set_lang(get_language() or "en")
        self.set_margin(_MARGIN)
        self.set_auto_page_break(False)
        self.add_font(_FONT, fname=sans_path())
        self.set_font(_FONT, size=_TEXT)
        self.set_draw_color(*_RULE)
        self.add_page()

    def footer(self) -> None:
        """Name the document, and number the page."""
        self.set_y(-34)
        self.write_in(_MUTED, self._foot, size=_SMALL, width=_WIDTH - 85)
        self.write_in(_MUTED, f"{self.page_no()} / {{nb}}", size=_SMALL, width=85, align="R")

    def write_in(
        self, colour: tuple[int, int, int], text: str, *, size: int = _TEXT, width: int, align: str = "L"
    ) -> None:
        """Write a line of text."""
        self.set_font(_FONT, size=size)
        self.set_text_color(*colour)
        self.cell(width, _LINE, text, align=align)

    def lines_of(self, text: str, width: int) -> list[str]:
        """Divide a text into lines of this width."""
        if "\n" not in text and self.get_string_width(text) <= width - 6:
            return [text]
        found = self.multi_cell(width, _LINE, text, align="L", dry_run=True, output="LINES")
        return [str(line) for line in found]  # type: ignore[union-attr]

    def new_page_unless(self, height: int) -> bool:
        """Begin a page if so much does not fit on this one, and tell whether."""
        if self.get_y() + height <= _BOTTOM:
            return False
        self.add_page()
        return True


def write_pdf(bill: MonthlyBill, *, to: IO[bytes]) -> None:
    """Write the PDF of a month."""
    pages = _Pages(title=bill.title, foot=f"{bill.title}, {bill.month.customer.code}")
    pages.write_in(_INK, bill.title, size=_TITLE, width=_WIDTH)
    pages.ln(28)
    _write_parties(pages, bill)
    _write_facts(pages, facts_of(bill))
    _write_table(pages, gettext("By service and billing item"), *_items_table(bill))
    if bill.others:
        _write_table(pages, gettext("Packages and credits"), *_others_table(bill))
    _write_table(pages, gettext("Hourly bills"), *_bills_table(bill))
    to.write(pages.output())


def facts_of(bill: MonthlyBill) -> Iterator[tuple[str, str]]:
    """Yield what stands above the tables, with its name: period, state, total, tax."""
    zone, payable = ZoneInfo(bill.month.customer.time_zone), bill.payable
    names = {"first": bill.month.first_day, "last": bill.month.last_day, "zone": zone.key}
    yield gettext("Period"), gettext("%(first)s to %(last)s, %(zone)s") % names
    if bill.corrects:
        yield gettext("Supersedes"), bill.corrects
    made = gettext("Issued") if bill.number else gettext("Made")
    yield made, f"{instant_text(bill.made_at, zone)} ({zone.key})"
    if not bill.is_complete:
        yield gettext("Not final"), _open_words(bill, zone)
    yield gettext("Exact total of the hourly bills"), in_rmb(bill.usage)
    if bill.others:
        yield gettext("Packages and credits"), in_rmb(payable.exact - bill.usage)
        yield gettext("Exact total"), in_rmb(payable.exact)
    yield gettext("Payable, truncated to 0.01"), in_rmb(payable.amount)
    if payable.remainder:
        yield gettext("Remainder, not payable"), in_rmb(payable.remainder)
    if payable.tax:
        yield gettext("Payable without tax"), in_rmb(payable.tax.net)
        percent = {"percent": plain(payable.tax.percent)}
        yield gettext("Tax included, %(percent)s %%") % percent, in_rmb(payable.tax.tax)
    yield gettext("Note"), gettext("This is not a fapiao (tax invoice).")


def _open_words(bill: MonthlyBill, zone: ZoneInfo) -> str:
    words = [gettext("Billed until %(instant)s.") % {"instant": instant_text(bill.billed_until, zone)}]
    if hours := bill.hours_under_review:
        counted = ngettext(
            "%(hours)s hour is under review and not counted yet.",
            "%(hours)s hours are under review and not counted yet.",
            hours,
        )
        words.append(counted % {"hours": hours})
    return " ".join(words)


def _write_parties(pages: _Pages, bill: MonthlyBill) -> None:
    top, width = pages.get_y(), _WIDTH // 2 - _LINE
    bottoms = []
    for place, (head, party) in enumerate(((gettext("Seller"), bill.seller), (gettext("Buyer"), bill.buyer))):
        pages.set_y(top)
        for colour, text in ((_MUTED, head), *((_INK, line) for line in _party_lines(party))):
            for line in pages.lines_of(text, width):
                pages.set_x(_MARGIN + place * _WIDTH // 2)
                pages.write_in(colour, line, width=width)
                pages.ln(_LINE)
        bottoms.append(pages.get_y())
    pages.set_y(max(bottoms) + _LINE)


def _party_lines(party: Party) -> Iterator[str]:
    yield party.name
    if party.tax_id:
        yield gettext("Tax number: %(number)s") % {"number": party.tax_id}
    yield from filter(None, (party.address, party.email))


def _write_facts(pages: _Pages, facts: Iterable[tuple[str, str]]) -> None:
    for name, value in facts:
        pages.write_in(_MUTED, name, width=_FACTS)
        lines = pages.lines_of(value, _WIDTH - _FACTS)
        for line in lines:
            pages.set_x(_MARGIN + _FACTS)
            pages.write_in(_INK, line, width=_WIDTH - _FACTS)
            pages.ln(_LINE)
    pages.ln(_LINE)


def _items_table(bill: MonthlyBill) -> tuple[list[Column], Iterator[list[str]]]:
    columns = [
        Column(gettext("Service"), 102),
        Column(gettext("Billing item"), 71),
        Column(gettext("Price kind"), 77),
        Column(gettext("Unit price (RMB)"), 65, is_number=True),
        Column(gettext("Unit"), 74),
        Column(gettext("Quantity"), 57, is_number=True),
        Column(gettext("Amount (RMB)"), 65, is_number=True),
    ]
    decimals = decimals_of([bill.usage, *(item.amount for item in bill.items)])
    return columns, _item_rows(bill, decimals, decimals_of(item.unit_price for item in bill.items))


def _item_rows(bill: MonthlyBill, decimals: int, price_decimals: int) -> Iterator[list[str]]:
    for item in bill.items:
        yield [
            *(item.service_name, measure_name(item.measure), item.price_words),
            exact(item.unit_price, price_decimals) if item.unit_price else "",
            unit_name(measure=item.measure, unit_size=item.unit_size),
            *(grouped(item.quantity), exact(item.amount, decimals)),
        ]
    yield [gettext("Total"), "", "", "", "", "", exact(bill.usage, decimals)]


def _others_table(bill: MonthlyBill) -> tuple[list[Column], Iterator[list[str]]]:
    columns = [
        *(Column(gettext("Day"), 70), Column(gettext("Kind"), 77), Column(gettext("Number"), 150)),
        Column(gettext("Package"), 100),
        Column(gettext("Amount (RMB)"), 114, is_number=True),
    ]
    rows = ([str(one.day), one.kind, one.number, one.text, exact(one.amount)] for one in bill.others)
    return columns, rows


def _bills_table(bill: MonthlyBill) -> tuple[list[Column], Iterator[list[str]]]:
    columns = [
        Column(gettext("Hour"), 170),
        Column(gettext("Bill"), 227),
        Column(gettext("Amount (RMB)"), 114, is_number=True),
    ]
    return columns, _bill_rows(bill, decimals_of(one.amount for one in bill.bills))


def _bill_rows(bill: MonthlyBill, decimals: int) -> Iterator[list[str]]:
    zone = ZoneInfo(bill.month.customer.time_zone)
    for one in bill.bills:
        yield [hour_text(one.hour_id, zone), one.number, exact(one.amount, decimals)]


def _write_table(
    pages: _Pages, heading: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]
) -> None:
    pages.new_page_unless(6 * _LINE)
    pages.write_in(_INK, heading, size=11, width=_WIDTH)
    pages.ln(_LINE + 6)
    _write_row(pages, columns, [column.head for column in columns], colour=_MUTED)
    for row in rows:
        _write_row(pages, columns, row, colour=_INK)
    pages.ln(_LINE)


def _write_row(
    pages: _Pages, columns: Sequence[Column], cells: Sequence[str], *, colour: tuple[int, int, int]
) -> None:
    pages.set_font(_FONT, size=_SMALL)
    cells_lines = [pages.lines_of(cell, column.width) for cell, column in zip(cells, columns, strict=True)]
    height = _LINE * max(map(len, cells_lines)) + 3
    if pages.new_page_unless(height) and colour != _MUTED:
        _write_row(pages, columns, [column.head for column in columns], colour=_MUTED)
    pages.set_text_color(*colour)
    x, y = pages.l_margin, pages.get_y()
    for column, lines in zip(columns, cells_lines, strict=True):
        for place, line in enumerate(lines):
            pages.set_xy(x, y + place * _LINE + 1)
            pages.cell(column.width, _LINE, line, align="R" if column.is_number else "L")
        x += column.width
    pages.set_xy(_MARGIN, y + height)
    pages.line(_MARGIN, y + height, _MARGIN + _WIDTH, y + height)
