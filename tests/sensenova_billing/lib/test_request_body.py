"""Bodies are read within their limit, unpacked within it, and decoded within what one process may hold."""

import gzip
import threading
import tracemalloc
import zlib
from io import BytesIO

import pytest

from sensenova_billing.lib.api.errors import Unreadable
from sensenova_billing.lib.api.request_body import (
    BYTES_PER_VALUE,
    KIB,
    MIB,
    UNRESERVED,
    BodyLimit,
    BodyTooLarge,
    CodingNotAccepted,
    MemoryBudget,
    MemoryExhausted,
    RequestBody,
    TooManyValues,
)
from usage.clients.parsing import read_client_json

LIMIT = BodyLimit(most_bytes=2 * MIB, most_values=100_000)


class Wire(BytesIO):
    """What a client sends; counts how much of it was read."""

    taken = 0

    def read(self, size=-1, /):
        piece = super().read(size)
        self.taken += len(piece)
        return piece


def body(sent, *, length=None, limit=LIMIT, **headers):
    """The body of a request, with its length unless it is chunked."""
    environ = {"wsgi.input": sent if isinstance(sent, Wire) else Wire(sent), **headers}
    if "HTTP_TRANSFER_ENCODING" not in headers:
        environ["CONTENT_LENGTH"] = str(len(sent)) if length is None else length
    return RequestBody(environ, limit)


def read(sent, **more):
    with body(sent, **more) as request_body:
        return request_body.read_json()


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked"}
GZIP = {"HTTP_CONTENT_ENCODING": "gzip"}


# --- Lengths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, CHUNKED, {"HTTP_TRANSFER_ENCODING": " Chunked"}])
@pytest.mark.parametrize("size", [0, 2, UNRESERVED, UNRESERVED + 1, LIMIT.most_bytes])
def test_a_body_up_to_the_limit_is_read_whole(headers, size):
    sent = b" " * size

    assert read(sent, **headers) == sent


def test_a_body_that_says_it_is_larger_is_refused_before_a_byte_is_read():
    wire = Wire(b" " * LIMIT.most_bytes)

    with pytest.raises(BodyTooLarge):
        read(wire, length=str(LIMIT.most_bytes + 1))

    assert wire.taken == 0


def test_of_a_chunked_body_no_more_is_read_than_one_byte_beyond_the_limit():
    wire = Wire(b" " * LIMIT.most_bytes * 5)

    with pytest.raises(BodyTooLarge):
        read(wire, **CHUNKED)

    assert wire.taken == LIMIT.most_bytes + 1


def test_chunks_count_where_a_length_is_given_as_well():
    assert read(b"[1]", **CHUNKED, CONTENT_LENGTH="1") == b"[1]"


@pytest.mark.parametrize("length", ["-1", "+5", "5x", "0x5", "5, 5", " 5", "٥", "1e3"])
def test_a_length_that_is_no_number_is_refused(length):
    with pytest.raises(Unreadable):
        read(b"hello", length=length)


@pytest.mark.parametrize("length", ["9" * 30, "9" * 5000])
def test_a_length_beyond_all_numbers_is_too_large(length):
    with pytest.raises(BodyTooLarge):
        read(b"hello", length=length)


def test_a_body_that_ends_early_is_refused():
    with pytest.raises(Unreadable, match="shorter"):
        read(b"[1]", length="4")


def test_no_length_is_no_body():
    assert read(b"[1]", length="") == b""


@pytest.mark.parametrize("coding", ["gzip, chunked", "deflate", ""])
def test_another_transfer_encoding_is_refused(coding):
    with pytest.raises(Unreadable):
        read(b"[1]", HTTP_TRANSFER_ENCODING=coding)


# --- Gzip ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", [{}, CHUNKED])
@pytest.mark.parametrize("coding", ["gzip", "GZIP", " x-gzip ", "gzip, identity", "identity,gzip"])
def test_gzip_is_unpacked(framing, coding):
    assert read(gzip.compress(b"[1]"), HTTP_CONTENT_ENCODING=coding, **framing) == b"[1]"


@pytest.mark.parametrize("coding", ["", "identity", "Identity", ","])
def test_identity_is_no_coding(coding):
    assert read(b"[1]", HTTP_CONTENT_ENCODING=coding) == b"[1]"


@pytest.mark.parametrize("coding", ["deflate", "br", "zstd", "compress", "gzip, gzip", "gzip;q=1", "*"])
def test_another_coding_is_refused_and_the_accepted_one_named(coding):
    wire = Wire(b"[1]")

    with pytest.raises(CodingNotAccepted, match="gzip") as refused:
        read(wire, length="3", HTTP_CONTENT_ENCODING=coding)

    assert refused.value.headers == {"Accept-Encoding": "gzip"}
    assert wire.taken == 0


def test_a_body_of_several_members_is_their_contents_in_turn():
    assert read(gzip.compress(b"[1,") + gzip.compress(b"") + gzip.compress(b"2]"), **GZIP) == b"[1,2]"


def test_a_bomb_is_refused_with_little_memory():
    bomb = gzip.compress(b" " * 64 * MIB)
    tracemalloc.start()

    with pytest.raises(BodyTooLarge):
        read(bomb, **GZIP)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * LIMIT.most_bytes


def test_what_unpacks_to_the_limit_is_read_and_a_byte_more_is_not():
    assert len(read(gzip.compress(b" " * LIMIT.most_bytes), **GZIP)) == LIMIT.most_bytes

    with pytest.raises(BodyTooLarge):
        read(gzip.compress(b" " * (LIMIT.most_bytes + 1)), **GZIP)


WHOLE = gzip.compress(b"[1]", mtime=0)
NOT_GZIP = [
    *(WHOLE[:end] for end in range(1, len(WHOLE))),
    WHOLE + b"\0",
    WHOLE + b"more",
    WHOLE + WHOLE[:5],
    WHOLE[:-5] + b"\0" * 5,
    zlib.compress(b"[1]"),
    b"[1]",
    WHOLE * 101,
]


@pytest.mark.parametrize("packed", NOT_GZIP, ids=range(len(NOT_GZIP)))
def test_what_is_not_gzip_from_end_to_end_is_refused(packed):
    with pytest.raises(Unreadable, match="not gzip"):
        read(packed, **GZIP)


# --- Values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [b"{},", b"[],", b"1,", b'"",', b"[[", b'{"":[', b",", b"\\,"])
def test_more_values_than_the_limit_are_refused(unit):
    with pytest.raises(TooManyValues, match="100,000"):
        read(b"[" + unit * 100_001)


@pytest.mark.parametrize("text", [b",", b"[{,", b"\\\\", b'\\",', b"\\u002c,"])
def test_what_stands_in_a_string_is_no_value(text):
    sent = b'["' + text * (MIB // len(text)) + b'",1]'

    assert read(sent) == sent


COSTLY = {
    "objects": b"[" + b"{}," * 100_000 + b"1]",
    "arrays": b"[" + b"[1]," * 100_000 + b"1]",
    "one name": b"[" + b'{"":0},' * 80_000 + b"1]",
    "nested": b"[" + b'{"a":{}},' * 60_000 + b"1]",
    "fractions": b"[" + b"1.5," * 100_000 + b"1]",
    "names": b"{" + b",".join(b'"%d":0.5' % number for number in range(80_000)) + b"}",
    "texts": b"[" + b'"ab",' * 100_000 + b"1]",
    "wide text": b'["' + b"a" * MIB + "😀".encode() + b'"]',
}


@pytest.mark.parametrize("sent", COSTLY.values(), ids=COSTLY)
def test_no_more_memory_is_taken_than_is_reserved(sent):
    reserved = len(sent) * (3 if sent.isascii() else 9) + BYTES_PER_VALUE * sum(map(sent.count, b",[{"))
    tracemalloc.start()

    decoded = read_client_json(sent)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert decoded
    assert peak < reserved


# --- The budget ------------------------------------------------------------------------------------


@pytest.fixture
def no_waiting(monkeypatch):
    monkeypatch.setattr("sensenova_billing.lib.api.request_body.SECONDS_TO_WAIT", 0)


def test_what_does_not_fit_at_the_same_time_comes_again(no_waiting):
    budget = MemoryBudget(10)

    with budget.reserve(6), pytest.raises(MemoryExhausted), budget.reserve(5):
        pass
    with budget.reserve(5):  # it was given back
        pass


def test_who_waits_gets_what_is_given_back(monkeypatch):
    budget = MemoryBudget(10)
    with budget.reserve(6):
        reserving = budget.reserve(5)
        waiter = threading.Thread(target=reserving.__enter__)
        waiter.start()
    waiter.join()

    monkeypatch.setattr("sensenova_billing.lib.api.request_body.SECONDS_TO_WAIT", 0)
    with pytest.raises(MemoryExhausted), budget.reserve(6):
        pass


def test_what_is_larger_than_the_budget_is_alone(no_waiting):
    budget = MemoryBudget(10)

    with budget.reserve(99), pytest.raises(MemoryExhausted), budget.reserve(1):
        pass


def test_what_a_body_reserved_is_given_back_whatever_happens(monkeypatch, no_waiting):
    budget = MemoryBudget(3 * MIB)
    monkeypatch.setattr("sensenova_billing.lib.api.request_body._READING", budget)

    for sent in (b" " * 2 * MIB, b"[" + b"," * 2 * MIB):
        with pytest.raises((BodyTooLarge, TooManyValues)):
            read(sent + b" ", limit=BodyLimit(most_bytes=2 * MIB, most_values=1), **CHUNKED)

    with budget.reserve(3 * MIB):
        pass


def test_a_limit_is_written_as_people_do():
    assert [str(BodyLimit(most_bytes=size)) for size in (64 * KIB, 16 * MIB)] == ["64 KiB", "16 MiB"]
