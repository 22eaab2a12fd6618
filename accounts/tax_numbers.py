"""Tax numbers, by the rules of the country that gives them; no rule says whether one was given.

In China it is the unified social credit code (GB 32100-2015), in the European Union and the United Kingdom
the VAT number. The rules are those of python-stdnum; for a country of which it knows none, any text is taken.
"""

import unicodedata

from django.utils.translation import gettext
from stdnum.eu.vat import MEMBER_STATES
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError
from stdnum.util import get_cc_module

# VAT numbers begin with the country; Greece has a code of its own for them.
_PREFIXES = {code.upper(): code.upper() for code in MEMBER_STATES} | {"GB": "GB", "GR": "EL"}


class TaxNumberRefused(ValueError):
    """It is none of this country; the text says what to look at."""


def has_rules(country: str) -> bool:
    """Whether numbers of this country are checked."""
    return get_cc_module(country, "vat") is not None


def checked_tax_number(*, country: str, number: str) -> str:
    """Return the number as documents write it, with the prefix of a VAT number; or raise TaxNumberRefused.

    Wide letters and digits, as Chinese keyboards write them, are taken for the usual ones.
    """
    text = unicodedata.normalize("NFKC", number).strip()
    rules = get_cc_module(country, "vat")
    if rules is None:
        return text
    try:
        valid = rules.validate(text)
    except InvalidChecksum as error:
        raise TaxNumberRefused(
            gettext("The check digit of this tax number is wrong: look for a character that was mistyped.")
        ) from error
    except InvalidLength as error:
        raise TaxNumberRefused(gettext("This tax number is too short or too long.")) from error
    except ValidationError as error:
        words = gettext("This is no tax number of %(country)s.") % {"country": country}
        raise TaxNumberRefused(words) from error
    prefix = _PREFIXES.get(country, "")
    return valid if valid.startswith(prefix) else prefix + valid
