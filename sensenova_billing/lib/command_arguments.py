"""Instants as arguments of commands."""

import argparse
import datetime as dt


def instant_argument(text: str, *, example: str = "2026-01-31T18:00Z") -> dt.datetime:
    """Return an instant with an offset."""
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time, such as {example}") from None
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} lacks an offset, such as Z or +08:00")
    return instant


def hour_argument(text: str) -> dt.datetime:
    """Return the beginning of an hour, in UTC."""
    hour = instant_argument(text).astimezone(dt.UTC)
    if hour != hour.replace(minute=0, second=0, microsecond=0):
        raise argparse.ArgumentTypeError(f"{text!r} is not the beginning of an hour in UTC")
    return hour
