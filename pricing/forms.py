"""The form for prices: what the database would refuse is said at the form, before anything is saved."""

import copy
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django import forms
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from pricing.models import Price

# What to do, by the constraint or trigger that refused.
ADVICE = {
    "an_item_on_sale_always_has_a_price": (
        "To change a price, leave this one as it is and add its successor with "
        "'End the price that it replaces' ticked: that ends this one where the successor begins."
    ),
    "a_begun_price_only_moves_its_end": (
        "What was in force stays as it was. To charge otherwise from now on, add a price that begins later."
    ),
}
OVERLAP_ADVICE = (
    "To replace that price, tick 'End the price that it replaces'; or choose another period or another kind."
)


@contextmanager
def undone() -> Iterator[None]:
    """Let the block write what it likes and take it all back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def refusal_of(instance: Price) -> str | None:
    """Try to save, deferred rules included, take it back, and return what the database says against it."""
    try:
        with undone(), connection.cursor() as cursor:
            copy.copy(instance).save()
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except IntegrityError as error:
        return refusal_text(error)
    return None


def refusal_text(error: IntegrityError) -> str:
    """Return the database's own words with what to do about it."""
    diagnosis = getattr(error.__cause__, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(error)
    constraint = getattr(diagnosis, "constraint_name", None) or ""
    advice = OVERLAP_ADVICE if constraint.endswith("do_not_overlap") else ADVICE.get(constraint, "")
    return f"{said} {advice}".strip()


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no argument at run time
    """A price; a new one may end the price that it replaces in the same step."""

    now: dt.datetime  # set by whoever opens the door

    ends_predecessor = forms.BooleanField(
        label="End the price that it replaces",
        required=False,
        help_text="The price of the same kind, item and customer that is in force when this one begins "
        "ends there. This is how a price is changed.",
    )

    class Meta:
        model = Price
        fields = ("billing_item", "customer", "kind", "unit_price", "unit_size", "begins_at", "ends_at")
        help_texts: ClassVar[dict[str, str]] = {
            "begins_at": "UTC; the first instant at which it is in force. It must be in the future, so that "
            "nothing that was charged changes; only an item's first price may begin in the past.",
        }

    def clean(self) -> dict[str, Any]:
        """Refuse a price that would change what was charged already."""
        cleaned = super().clean() or self.cleaned_data
        begins_at, item = cleaned.get("begins_at"), cleaned.get("billing_item", self.instance.billing_item_id)
        if begins_at and item and begins_at <= self.now and Price.objects.filter(billing_item=item).exists():
            self.add_error(
                "begins_at",
                f"A price begins in the future; it is {self.now:%Y-%m-%d %H:%M} UTC now. What was used "
                "until then keeps the price it had. Nothing was saved: choose a later instant.",
            )
        return cleaned

    def end_predecessor(self) -> None:
        """End the price that this new one replaces, if that is asked for."""
        new = self.cleaned_data
        if not new.get("ends_predecessor") or not {"billing_item", "kind", "begins_at"} <= new.keys():
            return
        open_then = Q(ends_at=None) | Q(ends_at__gt=new["begins_at"])
        replaced = Price.objects.filter(
            open_then, billing_item=new["billing_item"], customer=new.get("customer"), kind=new["kind"]
        )
        replaced.filter(begins_at__lt=new["begins_at"]).update(ends_at=new["begins_at"])

    def _post_clean(self) -> None:
        with undone():
            if not self.errors:
                self.end_predecessor()
            super()._post_clean()  # type: ignore[misc]  # Django's own hook; the stubs leave it out
            if not self.errors and (refusal := refusal_of(self.instance)):
                self.add_error(None, refusal)
        if any("is in force in that period" in text for text in self.non_field_errors()):
            self.add_error(None, OVERLAP_ADVICE)
