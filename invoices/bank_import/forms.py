"""The steps of an import: the file, then its columns and the customers, as a preview shows them."""

import hashlib
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from invoices.bank_import.bank_file import MAX_BYTES, BankFileRefused, BankTable, read_bank_file
from invoices.bank_import.book import SourceFile
from invoices.bank_import.columns import Role
from invoices.bank_import.rows import Layout
from sensenova_billing.lib.previews import read_preview, sign_preview

_SALT = "invoices.bank_import"
CUSTOMER = "customer-"  # of a line: the name of its field
_LABELS = {
    Role.DATE: _("Date"),
    Role.AMOUNT: _("Amount, with a sign"),
    Role.CREDIT: _("Credits"),
    Role.DEBIT: _("Debits"),
    Role.DIRECTION: _("Credit or debit"),
    Role.PAYER: _("Payer"),
    Role.TEXT: _("Text"),
    Role.MORE_TEXT: _("More text"),
    Role.REFERENCE: _("Bank's reference"),
    Role.CURRENCY: _("Currency"),
}


class UploadForm(forms.Form):
    """A bank's file."""

    file = forms.FileField(
        label=_("The bank's CSV file"),
        max_length=200,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv"}),
        help_text=_("At most 1 MB and 800 lines. A preview is shown first; nothing is booked yet."),
        error_messages={"empty": _("The file is empty.")},
    )
    encoding = forms.ChoiceField(
        label=_("Encoding"),
        required=False,
        choices=[
            ("", _("as it fits best")),
            ("utf-8-sig", "UTF-8"),
            ("gb18030", "GB18030, GBK"),
            ("cp1252", "Windows-1252, Latin-1"),
            ("utf-16", "UTF-16"),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    source: SourceFile
    table: BankTable

    def clean(self) -> dict[str, Any]:
        """Refuse what cannot be read as a table at all."""
        cleaned = super().clean() or self.cleaned_data
        if file := cleaned.get("file"):
            data = file.read(MAX_BYTES + 1)
            name = "".join(letter for letter in file.name if letter.isprintable())
            self.source = SourceFile(name, hashlib.sha256(data).hexdigest())
            try:
                self.table = read_bank_file(data=data, encoding=cleaned.get("encoding") or "")
            except BankFileRefused as error:
                self.add_error("file", str(error))
        return cleaned


class LayoutForm(forms.Form):
    """What each column is."""

    decimal_sign = forms.ChoiceField(
        label=_("Decimal sign"),
        choices=[(".", _("point: 1,234.50")), (",", _("comma: 1.234,50"))],
        widget=UnfoldAdminSelectWidget,
    )
    date_order = forms.ChoiceField(
        label=_("Dates such as 03/11/2026"),
        choices=[("day", _("the day first")), ("month", _("the month first"))],
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, data: Any, *, table: BankTable, layout: Layout) -> None:
        initial: dict[str, object] = {
            "decimal_sign": layout.decimal_sign,
            "date_order": "month" if layout.is_month_first else "day",
            **{role.value: place for role, place in layout.columns.items()},
        }
        super().__init__(data, initial=initial)
        places = [(str(place), f"{place + 1}: {name}") for place, name in enumerate(table.head)]
        for role, label in _LABELS.items():
            self.fields[role] = forms.TypedChoiceField(
                label=label,
                required=role == Role.DATE,
                coerce=int,
                empty_value=None,
                choices=[("", "–"), *places],
                widget=UnfoldAdminSelectWidget,
            )
        self.order_fields([*_LABELS, "decimal_sign", "date_order"])

    def clean(self) -> dict[str, Any]:
        """Require amounts, and nothing twice."""
        cleaned = super().clean() or self.cleaned_data
        places = [place for role in Role if (place := cleaned.get(role)) is not None]
        if len(places) != len(set(places)):
            raise forms.ValidationError(_("A column has two meanings."))
        if (cleaned.get(Role.AMOUNT) is None) == (cleaned.get(Role.CREDIT) is None):
            raise forms.ValidationError(_("Choose the column of amounts, or that of credits."))
        return cleaned

    def layout(self) -> Layout:
        """Return what was chosen."""
        chosen = self.cleaned_data
        columns = {role: chosen[role] for role in Role if chosen[role] is not None}
        return Layout(columns, chosen["decimal_sign"], chosen["date_order"] == "month")


def choices_of(posted: QueryDict) -> dict[int, str]:
    """Return by line the customer's code in its field."""
    lines = {name: name.removeprefix(CUSTOMER) for name in posted if name.startswith(CUSTOMER)}
    return {int(line): str(posted[name]).strip() for name, line in lines.items() if _is_line(line)}


def sealed(*, source: SourceFile, table: BankTable, seen: str, person: str) -> str:
    """Return the file as read and what was seen of it as a text that only this person can send back."""
    held = {
        **{"name": source.name, "digest": source.digest, "seen": seen},
        **{"head_line": table.head_line, "head": table.head, "lines": table.lines},
    }
    return sign_preview(held, salt=_SALT, person=person)


def opened(text: str, *, person: str) -> tuple[SourceFile, BankTable, str]:
    """Return what `sealed` was given, within a day; or raise BadSignature."""
    held = read_preview(text, salt=_SALT, person=person)
    table = BankTable(held["head_line"], held["head"], [(line, cells) for line, cells in held["lines"]])
    return SourceFile(held["name"], held["digest"]), table, held["seen"]


def _is_line(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
