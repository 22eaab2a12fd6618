"""A model server that answers as OpenAI, Anthropic and Google do, with counts that a test chooses."""

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON = dict[str, Any]
TEXT = "你好，我是商量。"
FAILED = b'{"error": {"message": "it failed"}}'
NOTHING = b'{"error": {"message": "there is no such thing"}}'


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a model says it used; cached and written tokens are part of the input, reasoning of the output."""

    input: int = 4
    output: int = 26
    cached: int = 0
    written: int = 0
    reasoning: int = 0
    seconds: float = 0
    images: int = 1
    searches: int = 1


class Backend(ThreadingHTTPServer):
    """Answers each request with these counts, unless it is to fail or to be silent about them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.reset()

    def reset(self) -> None:
        """Answer as at the start, and forget the requests."""
        self.counts = Counts()
        self.names_counts = True
        self.seconds_between = 0.0
        self.breaks_after: int | None = None
        self.statuses: list[int] = []
        self.requests: list[tuple[str, JSON]] = []
        self.stored: dict[str, JSON] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"

    def usage(self, name: str, usage: JSON) -> JSON:
        """Return the counts under their name, or nothing if the model is silent about them."""
        return {name: usage} if self.names_counts else {}


@contextmanager
def running_backend() -> Iterator[Backend]:
    """Run a backend in a thread."""
    with Backend() as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        yield backend
        backend.shutdown()


def chat(backend: Backend, request: JSON) -> JSON | list[JSON]:
    """Answer `/chat/completions` and, with a text instead of a message, `/completions`."""
    counts = backend.counts
    usage = {
        "prompt_tokens": counts.input,
        "completion_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
        "prompt_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning},
    }
    head = {"id": "chatcmpl-213", "created": 1764373000, "model": request["model"]}
    if not request["stream"]:
        content: JSON = (
            {"text": TEXT} if "prompt" in request else {"message": {"role": "assistant", "content": TEXT}}
        )
        kind = "text_completion" if "prompt" in request else "chat.completion"
        choices = [{"index": 0, "finish_reason": "stop", **content}]
        return {**head, "object": kind, "choices": choices, **backend.usage("usage", usage)}
    chunks = [_chunk(head, request, letter) for letter in TEXT] + [_chunk(head, request, None)]
    if (request.get("stream_options") or {}).get("include_usage") and backend.names_counts:
        chunks.append({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    return chunks


def _chunk(head: JSON, request: JSON, text: str | None) -> JSON:
    finish = {"index": 0, "finish_reason": "stop" if text is None else None}
    if "prompt" in request:
        return {**head, "object": "text_completion", "choices": [{**finish, "text": text or ""}]}
    delta = {"role": "assistant", "content": text} if text else {}
    return {**head, "object": "chat.completion.chunk", "choices": [{**finish, "delta": delta}]}


def responses(backend: Backend, request: JSON) -> JSON | list[JSON]:
    """Answer `/responses`; one in the background is finished at the first look at it."""
    counts = backend.counts
    usage = {
        "input_tokens": counts.input,
        "output_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
        "output_tokens_details": {"reasoning_tokens": counts.reasoning},
    }
    text = {"type": "output_text", "text": TEXT, "annotations": []}
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    begun: JSON = {
        "id": f"resp_{len(backend.stored)}",
        "object": "response",
        "created_at": 1764373000,
        "model": request["model"],
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    done = {**begun, "status": "completed", "output": [message], **backend.usage("usage", usage)}
    backend.stored[begun["id"]] = done
    if request.get("background"):
        return {**begun, "status": "queued", "background": True}
    if not request["stream"]:
        return done
    place: JSON = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[JSON] = [
        {"type": "response.created", "response": begun},
        *({"type": "response.output_text.delta", **place, "delta": letter} for letter in TEXT),
        {"type": "response.completed", "response": done},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def messages(backend: Backend, request: JSON) -> JSON | list[JSON]:
    """Answer Anthropic's `/v1/messages`, which counts what is cached beside the input."""
    counts = backend.counts
    usage = {
        "input_tokens": counts.input - counts.cached - counts.written,
        "cache_read_input_tokens": counts.cached,
        "cache_creation_input_tokens": counts.written,
    }
    message: JSON = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"]}
    text = {"type": "text", "text": TEXT}
    if not request["stream"]:
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        reported = backend.usage("usage", {**usage, "output_tokens": counts.output})
        return {**message, "content": [text], **end, **reported}
    begun = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    return [
        {
            "type": "message_start",
            "message": {**begun, **backend.usage("usage", {**usage, "output_tokens": 1})},
        },
        {"type": "content_block_start", "index": 0, "content_block": {**text, "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": letter}}
            for letter in TEXT
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            **backend.usage("usage", {"output_tokens": counts.output}),
        },
        {"type": "message_stop"},
    ]


def generate_content(backend: Backend, request: JSON) -> JSON | list[JSON]:
    """Answer Google's `:generateContent` and the like, which counts thoughts beside the answer."""
    counts = backend.counts
    usage = {
        "promptTokenCount": counts.input,
        "cachedContentTokenCount": counts.cached,
        "candidatesTokenCount": counts.output - counts.reasoning,
        "thoughtsTokenCount": counts.reasoning,
        "totalTokenCount": counts.input + counts.output,
    }
    head = {"modelVersion": "gemini-2.5-pro", "responseId": "213"}

    def part(text: str, **end: Any) -> JSON:
        content = {"role": "model", "parts": [{"text": text}]}
        return {**head, "candidates": [{"content": content, "index": 0, **end}]}

    reported = backend.usage("usageMetadata", usage)
    if not request["stream"]:
        return {**part(TEXT, finishReason="STOP"), **reported}
    return [*(part(letter) for letter in TEXT[:-1]), {**part(TEXT[-1], finishReason="STOP"), **reported}]


def embeddings(backend: Backend, request: JSON) -> JSON:
    """Answer `/embeddings`."""
    usage = {"prompt_tokens": backend.counts.input, "total_tokens": backend.counts.input}
    data = [{"object": "embedding", "index": 0, "embedding": [1.0, 0.0]}]
    return {"object": "list", "model": request["model"], "data": data, **backend.usage("usage", usage)}


def transcription(backend: Backend, request: JSON) -> JSON:
    """Answer `/audio/transcriptions` with the duration of the recording."""
    usage = {"type": "duration", "seconds": round(backend.counts.seconds)}
    return {"text": TEXT, "duration": backend.counts.seconds, **backend.usage("usage", usage)}


def images(backend: Backend, request: JSON) -> JSON:
    """Answer `/images/generations`."""
    return {"created": 1764373000, "data": [{"url": "https://example.com/1.png"}] * backend.counts.images}


def rerank(backend: Backend, request: JSON) -> JSON:
    """Answer Cohere's `/rerank`."""
    meta = {"billed_units": {"search_units": backend.counts.searches}}
    return {"id": "213", "results": [{"index": 0, "relevance_score": 0.9}], "meta": meta}


# By the end of the path.
ANSWERS: dict[str, Callable[[Backend, JSON], JSON | list[JSON]]] = {
    "/chat/completions": chat,
    "/completions": chat,
    "/responses": responses,
    "/messages": messages,
    "/embeddings": embeddings,
    "/audio/transcriptions": transcription,
    "/images/generations": images,
    "/images/edits": images,
    "/rerank": rerank,
    ":generateContent": generate_content,
    ":streamGenerateContent": generate_content,
}


class _Answering(BaseHTTPRequestHandler):
    server: Backend

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        request = self._sent_body(path)
        self.server.requests.append((path, request))
        if path.startswith("/broken"):
            self._send(500, "application/json", FAILED)
        elif self.server.statuses:
            self._send(self.server.statuses.pop(0), "application/json", FAILED)
        elif path.endswith("/audio/speech"):
            self._send(200, "audio/mpeg", b"ID3" + bytes(100))
        elif answers := [ANSWERS[end] for end in ANSWERS if path.endswith(end)]:
            self._send_answer(answers[0](self.server, request), ends_with_done=path.endswith("/completions"))
        else:
            self._send(404, "application/json", NOTHING)

    def do_GET(self) -> None:
        stored = self.server.stored.get(self.path.partition("?")[0].rsplit("/", 1)[-1])
        if stored is None:
            self._send(404, "application/json", NOTHING)
        else:
            self._send_answer(stored, ends_with_done=False)

    def do_DELETE(self) -> None:
        deleted = {"id": self.path.rsplit("/", 1)[-1], "object": "response", "deleted": True}
        self._send_answer(deleted, ends_with_done=False)

    def _sent_body(self, path: str) -> JSON:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.headers.get("Content-Type", "").startswith("application/json"):
            return {"form": body.decode(errors="replace")}  # a form with a recording
        request: JSON = json.loads(body)
        return {**request, "stream": True} if ":stream" in path else {"stream": False, **request}

    def _send_answer(self, answer: JSON | list[JSON], *, ends_with_done: bool) -> None:
        if isinstance(answer, dict):
            self._send(200, "application/json", json.dumps(answer).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in answer[: self.server.breaks_after]:
            name = f"event: {event['type']}\n" if "type" in event else ""
            self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
            time.sleep(self.server.seconds_between)
        if ends_with_done and self.server.breaks_after is None:
            self.wfile.write(b"data: [DONE]\n\n")

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass
