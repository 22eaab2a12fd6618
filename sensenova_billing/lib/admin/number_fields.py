"""Form fields for numbers: what is typed is read as in files (sensenova_billing/lib/numbers.py)."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext, gettext_noop
from unfold.widgets import UnfoldAdminTextInputWidget

from sensenova_billing.lib.decimals import read_decimal
from sensenova_billing.lib.numbers import read_whole_number

# What it says of other text, for `make translations`.
REFUSALS = (
    gettext_noop("Give 0 or more."),
    gettext_noop("Give a whole number, e.g. 1500 or 1,500."),
    gettext_noop("Give a number of at most 18 digits."),
    gettext_noop("Give digits, with a point before the decimals, e.g. 1500 or 0.04."),
    gettext_noop("Give at most 30 digits."),
)


class WholeNumberField(forms.IntegerField):
    """A whole number of 0 or more."""

    def to_python(self, value: Any) -> int | None:
        """Read it without blanks around; raise ValidationError."""
        text = str(value).strip() if value not in self.empty_values else ""
        try:
            return read_whole_number(text) if text else None
        except ValueError as error:
            raise ValidationError(gettext(str(error)), code="invalid") from error


class PlainDecimalField(forms.DecimalField):
    """A decimal number, read as in files."""

    def to_python(self, value: Any) -> Any:
        """Read it without blanks around; raise ValidationError."""
        text = str(value).strip() if value not in self.empty_values else ""
        try:
            return read_decimal(text) if text else None
        except ValueError as error:
            raise ValidationError(gettext(str(error)), code="invalid") from error


# For a ModelAdmin. `<input type="number">` would send nothing at all for what the browser cannot read.
NUMBER_FIELDS: dict[type, dict[str, Any]] = {
    models.IntegerField: {
        "form_class": WholeNumberField,
        "widget": UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    },
    models.DecimalField: {
        "form_class": PlainDecimalField,
        "widget": UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    },
}
