"""What is measured."""

from enum import StrEnum


class Metric(StrEnum):
    """The name of a metric, its labels and, of a histogram, the upper bounds of its buckets.

    Counts of the database are added bucket by bucket: other bounds need another name.
    """

    labels: tuple[str, ...]
    bounds: tuple[float, ...]

    def __new__(cls, name: str, labels: tuple[str, ...], bounds: tuple[float, ...] = ()) -> "Metric":
        """Make a member that is its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.labels, member.bounds = labels, bounds
        return member

    REQUEST_SECONDS = (
        "request_seconds",
        ("method", "route", "status"),
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    )
    BATCH_RECORDS = ("batch_records", (), (1.0, 10.0, 100.0, 1_000.0, 10_000.0))
    CLOSING_SECONDS = ("closing_seconds", (), (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0))
    LIMIT_REFUSALS = ("limit_refusals", ("limit",))
