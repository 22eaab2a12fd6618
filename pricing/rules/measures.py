"""What can be measured of a call: the one place that names the measures.

To add one, follow docs/architecture.md, "To add a measure".
"""

from collections.abc import Mapping
from enum import StrEnum


class Measure(StrEnum):
    """A quantity of a call, named as in the API and in the usage record's columns."""

    INPUT_TOKENS = "input_tokens"
    CACHED_INPUT_TOKENS = "cached_input_tokens"
    CACHE_WRITE_TOKENS = "cache_write_tokens"
    OUTPUT_TOKENS = "output_tokens"
    INPUT_CHARACTERS = "input_characters"
    SECONDS = "seconds"
    IMAGES = "images"
    REQUESTS = "requests"

    @property
    def label(self) -> str:
        """As the price page words it, e.g. `Input tokens`."""
        return self.value.replace("_", " ").capitalize()

    @property
    def unit(self) -> str:
        """What one of it is called in the plural, e.g. `tokens`."""
        return self.value.rsplit("_", 1)[-1]

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """For a Django field."""
        return [(measure.value, measure.label) for measure in cls]


# A part of another measure is charged at its own price where there is one, else as the whole; never twice.
# The parts of a whole do not overlap: together they are no more than it.
WHOLE_OF = {
    Measure.CACHED_INPUT_TOKENS: Measure.INPUT_TOKENS,
    Measure.CACHE_WRITE_TOKENS: Measure.INPUT_TOKENS,
}
WHOLES = tuple(measure for measure in Measure if measure not in WHOLE_OF)
PARTS_OF = {
    whole: tuple(part for part in Measure if WHOLE_OF.get(part) == whole) for whole in {*WHOLE_OF.values()}
}


def whole_and_parts(measure: Measure) -> tuple[Measure, ...]:
    """Return the whole that this measure is or belongs to, and all its parts."""
    whole = WHOLE_OF.get(measure, measure)
    return whole, *PARTS_OF.get(whole, ())


def parts_beyond_whole(quantities: Mapping[Measure, int]) -> tuple[Measure, str] | None:
    """Return the first part and the problem, where parts are together more than their whole."""
    for whole, parts in PARTS_OF.items():
        given = [part for part in parts if quantities.get(part)]
        if sum(quantities[part] for part in given) > quantities.get(whole, 0):
            names = " and ".join(part.label.lower() for part in given)
            return given[0], f"{names} are part of {whole.label.lower()}, and cannot be more"
    return None


# What a Tokens package counts.
TOKEN_MEASURES = tuple(measure for measure in Measure if measure.unit == "tokens")

# What the TPM of a call specification counts (the price page), parts within their wholes.
TPM_MEASURES = (Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS)

# The most that one call may use of a measure: what every JSON reader keeps exactly.
MAX_QUANTITY = 2**53

# The order of the members, for sorting billing items as the price page does.
ORDER = {measure: position for position, measure in enumerate(Measure)}
