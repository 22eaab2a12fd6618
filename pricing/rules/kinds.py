"""The kinds of a price: the one place that names them, and says which of them counts first.

To add one, follow docs/architecture.md, "To add a kind of price".
"""

from enum import StrEnum


class Kind(StrEnum):
    """Why a price is what it is; of those in force the first counts."""

    FREE_TRIAL = "free_trial"
    LIMITED_TIME_OFFER = "limited_time_offer"
    LIST_PRICE = "list_price"

    @property
    def label(self) -> str:
        """Its name on pages and in files, e.g. `list price`."""
        return _SHOWN[self][0]

    @property
    def badge(self) -> str:
        """How pages mark it: `success` if it is free, `warning` if it is temporary, else `default`."""
        return _SHOWN[self][1]

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """For a Django field."""
        return [(kind.value, kind.label) for kind in cls]


# The label and the badge of each.
_SHOWN = {
    Kind.FREE_TRIAL: ("free trial", "success"),
    Kind.LIMITED_TIME_OFFER: ("limited-time offer", "warning"),
    Kind.LIST_PRICE: ("list price", "default"),
}

# The order of the members: the lowest counts.
RANK = {kind: place for place, kind in enumerate(Kind)}
