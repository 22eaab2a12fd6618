"""Which characters names and ids may not hold."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# Control characters, line and paragraph separators, and half of a surrogate pair: a path cannot carry a line
# break, logs and files would be broken by it, and the others are invisible.
_REFUSED = {"Cc", "Zl", "Zp", "Cs"}
UNFIT = "must not hold control characters or line breaks"


def is_fit_for_a_name(text: str) -> bool:
    """Whether names and ids may hold all of these characters."""
    return text.isprintable() or not any(unicodedata.category(one) in _REFUSED for one in text)


def is_fit_for_a_path(text: str) -> bool:
    """Whether an address can carry this as its end: clients resolve the segments `.` and `..` themselves."""
    return not {".", ".."} & set(text.split("/"))


def validate_name(text: str) -> None:
    """Raise ValidationError for what no name may hold, or for blanks around it."""
    if not is_fit_for_a_name(text):
        raise ValidationError(_("This must not hold control characters or line breaks."))
    if text != text.strip():
        raise ValidationError(_("This must not begin or end with a blank."))
