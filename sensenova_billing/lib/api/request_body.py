"""The body of a request, read within its limit and within what one process may hold for all requests.

An endpoint reads it after its own checks: a request refused for its key or its length costs no memory.
"""

import re
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from rest_framework.exceptions import APIException

from sensenova_billing.lib.api.errors import Unreadable

KIB, MIB = 2**10, 2**20
PIECE = 256 * KIB
# What every request may hold without a reservation: with 64 threads it adds up to no more than the reserved.
UNRESERVED = MIB
# A record, a call, some of them: not worth a look at what their decoding takes.
SINGLE = 4 * KIB
# How long a request waits for others to give memory back.
SECONDS_TO_WAIT = 5
# RFC 1952 allows several members; each costs a copy of what follows it.
MOST_MEMBERS = 100
# What a JSON value takes at most while it is decoded: a name and a fraction, in an object of many.
BYTES_PER_VALUE = 350
# What protobuf takes at most for a byte of messages: an empty span is two bytes, and an object of 170.
BYTES_PER_BYTE_OF_MESSAGES = 90
# Where the limited body of a request lies in its WSGI environment.
BODY = "sensenova_billing.body"


@dataclass(frozen=True)
class BodyLimit:
    """The most that an endpoint takes: bytes after unpacking, and JSON values."""

    most_bytes: int
    most_values: int = 0

    def __str__(self) -> str:
        """Return the bytes as people write them."""
        unit, name = (MIB, "MiB") if self.most_bytes >= MIB else (KIB, "KiB")
        return f"{self.most_bytes // unit} {name}"


class BodyTooLarge(APIException):
    """413: the body is larger than the endpoint takes."""

    status_code = 413
    default_code = "body_too_large"

    def __init__(self, limit: BodyLimit) -> None:
        super().__init__(f"The body is larger than {limit}. Nothing was stored; send less at once.")


class TooManyValues(APIException):
    """413: the body holds more JSON values than the endpoint takes."""

    status_code = 413
    default_code = "too_many_values"

    def __init__(self, limit: BodyLimit) -> None:
        super().__init__(
            f"The body holds more than {limit.most_values:,} values. Nothing was stored; send less at once."
        )


class CodingNotAccepted(APIException):
    """415: the body is compressed in a way that is not accepted here."""

    status_code = 415
    default_code = "unsupported_content_encoding"

    def __init__(self, accepted: str) -> None:
        only = "Send the body as it is" + (f", or with Content-Encoding: {accepted}" if accepted else "")
        super().__init__(f"This content encoding is not accepted. {only}. Nothing was stored.")
        self.headers = {"Accept-Encoding": accepted or "identity"}


class MemoryExhausted(APIException):
    """503: so many large bodies are being read that this one has to come again."""

    status_code = 503
    default_code = "busy"
    default_detail = "Too many large bodies are being read. Nothing was stored; send it again."


class MemoryBudget:
    """The bytes that the requests of this process may hold at the same time."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int) -> Iterator[None]:
        """Hold so many bytes, all there are at most; raise MemoryExhausted if they are not free in time."""
        size = min(size, self._size)
        with self._changed:
            if not self._changed.wait_for(lambda: self._free >= size, timeout=SECONDS_TO_WAIT):
                raise MemoryExhausted
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


# Apart, and reserved in this order: a body that waits for the next step never keeps others from finishing it.
_READING = MemoryBudget(64 * MIB)
_UNPACKING = MemoryBudget(64 * MIB)
_DECODING = MemoryBudget(256 * MIB)


class RequestBody:
    """The body of one request; what is reserved for it is given back when this context ends."""

    def __init__(self, environ: Mapping[str, Any], limit: BodyLimit) -> None:
        # Not the environment, which leads here.
        self._input = environ["wsgi.input"]
        self._declared = environ.get("CONTENT_LENGTH") or ""
        self._transfer_encoding = environ.get("HTTP_TRANSFER_ENCODING")
        self._content_encoding = environ.get("HTTP_CONTENT_ENCODING", "")
        self._limit = limit
        self._reserved = ExitStack()

    def __enter__(self) -> "RequestBody":
        return self

    def __exit__(self, *error: object) -> None:
        self._reserved.close()

    @property
    def is_chunked(self) -> bool:
        """Whether it has no length: Transfer-Encoding goes before Content-Length, as in RFC 9112."""
        return self._transfer_encoding is not None

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return self.is_chunked or self._declared not in ("", "0")

    def require_allowed(self, *, accepted: str = "") -> None:
        """Check length and content encoding by the headers alone; raise what is wrong with them."""
        if self._transfer_encoding is not None and self._transfer_encoding.strip().lower() != "chunked":
            raise Unreadable(
                "malformed_request", "The only transfer encoding is chunked. Nothing was stored."
            )
        if self._codings() not in ([], [accepted]):
            raise CodingNotAccepted(accepted)
        if not self.is_chunked and self._length() > self._limit.most_bytes:
            raise BodyTooLarge(self._limit)

    def read(self) -> bytes:
        """Return it as it was sent; raise BodyTooLarge, Unreadable if it is cut off, or MemoryExhausted."""
        most = self._limit.most_bytes + 1 if self.is_chunked else self._length()
        read = self._pieces(min(most, UNRESERVED))
        if most > UNRESERVED and len(read) == UNRESERVED:
            self._reserved.enter_context(_READING.reserve(min(most, self._limit.most_bytes)))
            read += self._pieces(most - UNRESERVED)
        if len(read) > self._limit.most_bytes:
            raise BodyTooLarge(self._limit)
        if not self.is_chunked and len(read) < most:
            raise Unreadable("incomplete_body", "The body is shorter than it was to be. Nothing was stored.")
        return read

    def read_json(self) -> bytes:
        """Return it unpacked, with what its decoding takes reserved; raise as `read`, or TooManyValues."""
        body = self._read_unpacked()
        if len(body) > SINGLE:
            values = _values_in(body, most=self._limit.most_values)
            if values > self._limit.most_values:
                raise TooManyValues(self._limit)
            # As bytes, as text and as the texts in it; of one wide character Python makes all of them wide.
            self._reserve_decoding(len(body) * (3 if body.isascii() else 9) + values * BYTES_PER_VALUE)
        return body

    def read_protobuf(self) -> bytes:
        """Return it unpacked, with what its decoding takes reserved; raise as `read`."""
        body = self._read_unpacked()
        self._reserve_decoding(len(body) * BYTES_PER_BYTE_OF_MESSAGES)
        return body

    def reserve_declared(self) -> None:
        """Reserve what this body takes in memory, where others read it."""
        if self._length() > UNRESERVED:
            self._reserved.enter_context(_READING.reserve(self._length()))

    def _read_unpacked(self) -> bytes:
        self.require_allowed(accepted="gzip")
        body = self.read()
        return self._unpacked(body) if self._codings() else body

    def _reserve_decoding(self, size: int) -> None:
        if size > UNRESERVED:
            self._reserved.enter_context(_DECODING.reserve(size))

    def _length(self) -> int:
        declared = self._declared or "0"
        if not (declared.isascii() and declared.isdigit()):
            raise Unreadable("malformed_request", "Content-Length is not a number. Nothing was stored.")
        return int(declared[:19])  # a longer one is too large as well

    def _codings(self) -> list[str]:
        codings = [coding.strip().lower().removeprefix("x-") for coding in self._content_encoding.split(",")]
        return [coding for coding in codings if coding not in ("", "identity")]

    def _pieces(self, most: int) -> bytes:
        pieces: list[bytes] = []
        while most and (piece := self._input.read(min(most, PIECE))):
            pieces.append(piece)
            most -= len(piece)
        return b"".join(pieces)

    def _unpacked(self, packed: bytes) -> bytes:
        unpacked = bytearray()
        for _ in range(MOST_MEMBERS):
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                piece = _next_piece(member, packed)
                if len(unpacked) <= UNRESERVED < len(unpacked) + len(piece):
                    self._reserved.enter_context(_UNPACKING.reserve(self._limit.most_bytes))
                unpacked += piece
                packed = member.unconsumed_tail
                if len(unpacked) > self._limit.most_bytes:
                    raise BodyTooLarge(self._limit)
            packed = member.unused_data
            if not packed:
                return bytes(unpacked)
        raise _malformed_gzip()


def _next_piece(member: "zlib._Decompress", packed: bytes) -> bytes:
    try:
        piece = member.decompress(packed, PIECE)
    except zlib.error as error:
        raise _malformed_gzip() from error
    if not (piece or member.eof or member.unconsumed_tail):
        raise _malformed_gzip()
    return piece


def _malformed_gzip() -> Unreadable:
    return Unreadable("malformed_gzip", "The body is not gzip, or is cut off. Nothing was stored.")


# A string is taken whole, so that what is inside it is not counted; possessive, so that it needs no memory.
_STRING_OR_VALUE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{,]', re.DOTALL)


def _values_in(body: bytes, *, most: int) -> int:
    """Return a bound on the JSON values: each follows a comma or the beginning of an array or object."""
    values = sum(map(body.count, (b",", b"[", b"{")))
    if values <= most:
        return values
    values = 0
    for found in _STRING_OR_VALUE.finditer(body):
        values += body[found.start()] != 0x22
        if values > most:
            break
    return values
