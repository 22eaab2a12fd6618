"""The checker: compares a driver's journal with the table, and says what is wrong."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

Key = tuple[str, str]
Stored = tuple[Any, ...]  # the key, and the content as the journal has it


@dataclass(frozen=True)
class Verdict:
    """What was promised and what is there; the lists are empty where every promise was kept."""

    posts: int
    records: int
    acknowledged: int  # of the records
    sent_again: int  # posts that were acknowledged only at a later attempt
    resent: int  # after they had been acknowledged
    unacknowledged: list[str]  # posts
    miscounted: list[str]  # posts whose receipts contradict what was sent
    lost: list[Key]  # acknowledged and not stored
    doubled: list[Key]
    altered: list[Key]  # stored with other content than was sent
    invented: list[Key]  # stored and never sent

    def faults(self) -> dict[str, int]:
        """Return how many there are of each kind of fault that was found."""
        kinds = ("unacknowledged", "miscounted", "lost", "doubled", "altered", "invented")
        return {kind: len(getattr(self, kind)) for kind in kinds if getattr(self, kind)}


def check(*, journal: Iterable[dict[str, Any]], stored: Iterable[Stored]) -> Verdict:
    """Return the verdict on the rows that are stored after what the journal tells."""
    posts: dict[str, list[list[Any]]] = {}
    receipts: defaultdict[str, list[dict[str, int]]] = defaultdict(list)
    for entry in journal:
        if "sent" in entry:
            posts[entry["sent"]] = entry["records"]
        elif "acknowledged" in entry:
            receipts[entry["acknowledged"]].append(entry)
    sent = _contents(record for records in posts.values() for record in records)
    acknowledged = _contents(record for name in receipts for record in posts[name])
    rows = list(stored)
    there = _contents(rows)
    return Verdict(
        posts=len(posts),
        records=len(sent),
        acknowledged=len(acknowledged),
        sent_again=sum(answers[0]["attempts"] > 1 for answers in receipts.values()),
        resent=sum(len(answers) - 1 for answers in receipts.values()),
        unacknowledged=sorted(posts.keys() - receipts.keys()),
        miscounted=sorted(
            name for name, answers in receipts.items() if _contradict(answers, len(posts[name]))
        ),
        lost=sorted(acknowledged.keys() - there.keys()),
        doubled=sorted(key for key, count in Counter(row[:2] for row in rows).items() if count > 1),
        altered=sorted(key for key in sent.keys() & there.keys() if sent[key] != there[key]),
        invented=sorted(there.keys() - sent.keys()),
    )


def _contents(records: Iterable[Any]) -> dict[Key, tuple[Any, ...]]:
    return {(customer, event_id): tuple(content) for customer, event_id, *content in records}


def _contradict(answers: list[dict[str, int]], size: int) -> bool:
    """Whether the receipts of a post of this size are not those of one storing, whole, and no other."""
    first, *later = answers
    stored_now = {"accepted": size, "duplicates": 0}
    stored_before = {"accepted": 0, "duplicates": size}
    # Only after an attempt without an answer may the first receipt speak of duplicates.
    right = [stored_now, stored_before] if first["attempts"] > 1 else [stored_now]
    return _counts(first) not in right or any(_counts(receipt) != stored_before for receipt in later)


def _counts(receipt: dict[str, int]) -> dict[str, int]:
    return {name: receipt[name] for name in ("accepted", "duplicates")}


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a driver's journal."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def read_stored(url: str, *, run: str) -> list[Stored]:
    """Return the records that are stored of a run, on a connection of its own."""
    with psycopg.connect(url) as connection:
        return connection.execute(_STORED, [f"{run}/"]).fetchall()


_STORED = """
SELECT customer.code, event_id, service.name,
       to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
       input_tokens, output_tokens, input_characters
  FROM usage_usagerecord
  JOIN accounts_customer AS customer ON customer.id = customer_id
  JOIN pricing_service AS service ON service.id = service_id
 WHERE starts_with(event_id, %s)
"""
