"""Figures of two builds are paired by the table, the row and the column in which they are printed."""

from benchmarks.compare import measures

INGEST = """
Empty view: 1,200 requests/s. Single posts: 600/s, 0.50 of it; p99 28 ms; the ratios of all pairs: 0.49, 0.50.

| records a batch | bare COPY, records/s | HTTP, records/s | ratio |
|---|---|---|---|
| 1 | - | 497 | - |
| 1,000 | 8,670 | 5,790 | 0.67 |
"""
EFFECT = """
| items | customers | effect, s | ratio |
|---|---|---|---|
| one item (1) | 2,728 | 2.36 | 1.90 |

| items | customers | effect, s | ratio |
|---|---|---|---|
| one item (1) | 2,728 | 1.39 | 0.52 |
"""


def test_a_row_without_a_figure_gives_the_others():
    read = dict(measures("ingest", INGEST))

    assert read["ingest", 1, "1", "HTTP, records/s"] == 497
    assert read["ingest", 1, "1,000", "ratio"] == 0.67
    assert ("ingest", 1, "1", "ratio") not in read


def test_single_posts_are_read_from_their_sentence():
    read = dict(measures("ingest", INGEST))

    assert read["ingest", 0, "single posts", "single posts, requests/s"] == 600
    assert read["ingest", 0, "single posts", "ratio"] == 0.5


def test_the_same_row_of_two_tables_is_two_rows():
    read = dict(measures("effect", EFFECT))

    row = "one item (1), 2,728"
    assert [read["effect", table, row, "effect, s"] for table in (1, 2)] == [2.36, 1.39]
    assert ("effect", 1, row, "customers") not in read
