"""What can be measured of a call: the one place that names the measures.

To add one, follow docs/architecture.md, "To add a measure".
"""

from enum import StrEnum


class Measure(StrEnum):
    """A quantity of a call, named as in the API and in the usage record's columns."""

    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    INPUT_CHARACTERS = "input_characters"

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


# Whether the TPM of a call specification counts it: input and output tokens (the price page).
COUNTS_IN_TPM = {
    Measure.INPUT_TOKENS: True,
    Measure.OUTPUT_TOKENS: True,
    Measure.INPUT_CHARACTERS: False,
}
TPM_MEASURES = tuple(measure for measure in Measure if COUNTS_IN_TPM[measure])

# The most that one call may use of a measure: what every JSON reader keeps exactly.
MAX_QUANTITY = 2**53

# The order of the members, for sorting billing items as the price page does.
ORDER = {measure: position for position, measure in enumerate(Measure)}
