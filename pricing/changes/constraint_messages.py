"""Why the database refuses a change of the catalogue, in its own words and with what to do about it."""

from typing import Any

from django.db import IntegrityError, models
from django.utils.translation import gettext, gettext_noop

from pricing.stored_words import stored_in_words

# What to do, by the constraint or trigger that refused.
_ADVICE = {
    "an_item_on_sale_always_has_a_price": gettext_noop("End a price only where another takes over."),
    "a_begun_price_only_moves_its_end": gettext_noop(
        "What was in force stays as it was. To charge otherwise from now on, add a price that begins later."
    ),
    "a_begun_call_specification_only_moves_its_end": gettext_noop(
        "What was in force stays as it was. For other limits, let it end and add one that begins then."
    ),
    **dict.fromkeys(
        (
            "begun_package_terms_only_move_their_end",
            "begun_terms_keep_their_services",
            "begun_terms_keep_their_groups",
            "begun_terms_keep_their_weights",
        ),
        gettext_noop("For other terms, let these end and add ones that begin then."),
    ),
}


def refusal_text(error: IntegrityError, *, model: type[models.Model] | None = None) -> str:
    """Return the text of the violated constraint: the model's, else the database's."""
    constraint = constraint_of(error)
    diagnosis = getattr(error.__cause__, "diag", None)
    text = getattr(diagnosis, "message_primary", None) or str(error)
    message = _violation_text(model, constraint) or stored_in_words(text)
    return f"{message} {gettext(_ADVICE[constraint])}" if constraint in _ADVICE else message


def constraint_of(error: IntegrityError) -> str:
    """Return the name of the violated constraint or trigger; empty if the database names none."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""


def _violation_text(model: type[models.Model] | None, constraint: str) -> str:
    own: list[Any] = [one for one in model._meta.constraints if one.name == constraint] if model else []
    text = str(own[0].violation_error_message) if own else ""
    return "" if "%(name)s" in text else text  # Django's own words name the constraint only
