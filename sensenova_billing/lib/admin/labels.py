"""Labels of states in the admin."""

from typing import NamedTuple


class Label(NamedTuple):
    """A state and its words: a list shows them in the colour of the state, a page of one row as text."""

    state: str
    words: str

    def __str__(self) -> str:
        return self.words
