"""The kinds of a price; the one place that says which of them counts first."""

from enum import StrEnum


class Kind(StrEnum):
    """Why a price is what it is; of those in force the first counts."""

    FREE_TRIAL = "free_trial"
    LIMITED_TIME_OFFER = "limited_time_offer"
    LIST_PRICE = "list_price"


# The order of the members: the lowest counts.
RANK = {kind: place for place, kind in enumerate(Kind)}
