"""What a call of LiteLLM's is going to use, and what it has used; for sensenova_billing_logger.py."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from litellm import get_supported_openai_params, token_counter

# LiteLLM's call types that use a model. Those that are in neither table are refused.
KINDS = {
    "acompletion": "text",
    "atext_completion": "text",
    "text_completion": "text",
    "aresponses": "text",
    "anthropic_messages": "text",
    "agenerate_content": "text",
    "agenerate_content_stream": "text",
    "aembedding": "embedding",
    "aspeech": "speech",
    "transcription": "transcription",
    "image_generation": "image",
    "aimage_edit": "image",
    "rerank": "rerank",
}
# These read or delete what is stored, or call a tool.
WITHOUT_MODEL = {"aget_responses", "alist_input_items", "adelete_responses", "acancel_responses"}
WITHOUT_MODEL |= {"aretrieve_batch", "alist_batches", "acancel_batch"}
WITHOUT_MODEL |= {"afile_retrieve", "afile_content", "afile_list", "afile_delete"}
WITHOUT_MODEL |= {"list_mcp_tools", "call_mcp_tool"}
# What goes to the model as text, as OpenAI, Anthropic and Google name it.
PROMPTS = ("messages", "prompt", "suffix", "input", "instructions", "system", "tools", "functions", "text")
PROMPTS += ("response_format", "contents", "systemInstruction", "system_instruction", "generationConfig")
PROMPTS += ("prediction", "extra_body")
# Fields that hold a file or its address.
FILES = {"data", "file_data", "url", "image_url", "fileUri"}
TOKENS_OF_A_FILE = 250  # LiteLLM's number for an image
OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "maxOutputTokens")
ANSWERS = {"choices", "output", "content", "delta", "candidates"}
ANSWER_TEXTS = {"content", "text", "arguments", "reasoning_content", "delta"}
REDACTED = "redacted-by-litellm"


@dataclass
class AdmittedCall:
    """A call that may be made; a caller's JSON cannot contain an object of this class."""

    call_type: str
    customer: str
    service: str
    call_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    is_reserved: bool = False
    is_reported: bool = False
    input_tokens: int = 0
    input_characters: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    answer: Any = None
    # The service whose model was called last: after a fallback another one, which is paid for.
    attempted: str = ""

    def __post_init__(self) -> None:
        self.attempted = self.service

    def note_attempt(self, kwargs: dict[str, Any]) -> None:
        """Note the `model_name` of LiteLLM's that is called now; a call within a call has none."""
        for place in ("metadata", "litellm_metadata"):
            self.attempted = (kwargs.get(place) or {}).get("model_group") or self.attempted


def is_in_background(data: dict[str, Any]) -> bool:
    """Return whether the caller will read the answer later."""
    extra = data.get("extra_body")
    return bool(data.get("background") or (isinstance(extra, dict) and extra.get("background")))


def prompt_tokens(data: dict[str, Any]) -> int:
    """Return the tokens of all that goes to the model, with the names of its fields."""
    texts, others = [], 0
    for name, value in _leaves({name: data[name] for name in PROMPTS if data.get(name)}):
        if not isinstance(value, str):
            others += 1  # a token, or a number
        elif value.startswith("data:") or (name in FILES and " " not in value[:1000]):
            others += TOKENS_OF_A_FILE
        else:
            texts.append(value)
    return int(token_counter(str(data.get("model")), text=" ".join(texts))) + others


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each text and number in a JSON value with its field's name, and each such name with ""."""
    left = [("", value)]
    while left:
        name, part = left.pop()
        if isinstance(part, dict):
            left += [("", each) for each in part] + list(part.items())
        elif isinstance(part, list | tuple):
            left += [(name, each) for each in part]
        elif part is not None and not isinstance(part, bool):
            yield name, part


def output_tokens(data: dict[str, Any], *, usual: int) -> int:
    """Return the maximum of the answer, as given by the caller or usual."""
    google = data.get("generationConfig")
    given = {**data, **(google if isinstance(google, dict) else {})}
    counts = {name: n for name, n in given.items() if isinstance(n, int) and n > 0}
    most = max((counts[name] for name in OUTPUT_LIMITS if name in counts), default=usual)
    return most * max(counts.get("n", 1), counts.get("candidateCount", 1))


def with_usage(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return a request for a stream that asks for usage at its end; some models give it unasked."""
    supported = get_supported_openai_params(kwargs["model"], kwargs.get("custom_llm_provider"))
    if "stream_options" not in (supported or ()):
        return kwargs
    options = {**(kwargs.get("stream_options") or {}), "include_usage": True}
    extra = kwargs.get("extra_body")
    if isinstance(extra, dict):  # it would replace the options
        extra = {name: extra[name] for name in extra if name != "stream_options"}
    return {**kwargs, "stream_options": options, "extra_body": extra}


def usage_of(call: AdmittedCall, kwargs: dict[str, Any], answer: Any) -> tuple[dict[str, int], str]:
    """Return what a call used, and who counted it: the model, LiteLLM or this gateway."""
    logged = kwargs.get("standard_logging_object") or {}
    usage = (logged.get("metadata") or {}).get("usage_object") or {}
    kind = KINDS[call.call_type]
    if kind in ("text", "embedding"):
        prompt, completion = logged.get("prompt_tokens") or 0, logged.get("completion_tokens") or 0
        if prompt or completion:
            if not kwargs.get("stream") or _is_counted_by_model(call.answer, usage):
                return _tokens(prompt, completion, usage), "model"
            # For a stream in Google's form LiteLLM counts the answer only.
            return {"input_tokens": prompt or call.input_tokens, "output_tokens": completion}, "litellm"
        return _own_count(call, "" if kind == "embedding" else _text_of(answer)), "gateway"
    if kind == "speech":
        used = {"input_characters": call.input_characters}
    elif kind == "transcription":
        seconds = usage.get("seconds") or getattr(answer, "duration", None) or 0
        used = {"seconds": int(Decimal(str(seconds)).to_integral_value(ROUND_HALF_UP))}
    elif kind == "image":
        used = {"images": len(getattr(answer, "data", None) or ())}
    else:
        billed = (getattr(answer, "meta", None) or {}).get("billed_units") or {}
        used = {"requests": int(billed.get("search_units") or 1)}
    return (used if any(used.values()) else {}), "model"


def usage_of_stream(call: AdmittedCall, sent: list[Any]) -> dict[str, int]:
    """Return what a call used of which this was sent: objects of LiteLLM's, or server-sent events."""
    objects = [chunk for chunk in sent if not isinstance(chunk, str | bytes)]
    events = [
        chunk.encode() if isinstance(chunk, str) else chunk
        for chunk in sent
        if isinstance(chunk, str | bytes)
    ]
    return _own_count(call, "".join(map(_text_of, [*objects, *_data_of(b"".join(events))])))


def is_error(chunk: Any) -> bool:
    """Return whether this is the event that ends a failed stream in Anthropic's form."""
    text = chunk.decode(errors="replace") if isinstance(chunk, bytes) else chunk
    return isinstance(text, str) and text.startswith("event: error")


def _own_count(call: AdmittedCall, text: str) -> dict[str, int]:
    answered = int(token_counter(call.service, text=text))
    return {"input_tokens": call.input_tokens, "output_tokens": answered}


def _data_of(events: bytes) -> Iterator[Any]:
    """Yield the data of server-sent events; the last may be cut off."""
    for line in events.splitlines():
        if line.startswith(b"data:"):
            try:
                yield json.loads(line.removeprefix(b"data:"))
            except ValueError:
                continue  # [DONE], or not whole


def _tokens(prompt: int, completion: int, usage: dict[str, Any]) -> dict[str, int]:
    """Return the tokens, with those of the input that were read from the model's cache or written to it."""
    details = usage.get("prompt_tokens_details") or {}
    cached = min(details.get("cached_tokens") or 0, prompt)
    written = details.get("cache_creation_tokens") or details.get("cache_write_tokens") or 0
    parts = {"cached_input_tokens": cached, "cache_write_tokens": min(written, prompt - cached)}
    return {"input_tokens": prompt, "output_tokens": completion} | {name: n for name, n in parts.items() if n}


def _is_counted_by_model(stream: Any, usage: dict[str, Any]) -> bool:
    """Return whether usage was in the stream; where that is not to be seen, LiteLLM's count lacks details."""
    chunks = getattr(stream, "chunks", None)
    if chunks is None:
        return bool(usage.get("prompt_tokens_details"))
    return any(getattr(chunk, "usage", None) for chunk in chunks)


def _text_of(answer: Any) -> str:
    """Return the text of an answer; none where `turn_off_message_logging` has replaced it."""
    body = answer.model_dump() if hasattr(answer, "model_dump") else answer
    parts = {name: body.get(name) for name in ANSWERS} if isinstance(body, dict) else {}
    texts = [value for name, value in _leaves(parts) if name in ANSWER_TEXTS and isinstance(value, str)]
    return " ".join(text for text in texts if text != REDACTED)
