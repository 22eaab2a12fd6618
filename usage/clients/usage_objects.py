"""The usage objects of providers, each mapped onto our measures by its own rule.

Providers disagree about what their input and output contain. Our rule is: input is everything that the model
read, cached or not; reasoning is output; a token counts once. docs/clients.md has the rules with examples.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pricing.rules.measures import Measure
from sensenova_billing.lib.api.strict_json import BadItem
from usage.clients.parsing import nearest_whole, whole_number

Counts = dict[str, int]
_MEASURES = {*map(str, Measure)}

# Whatever may be a count of tokens: an unknown one is refused, because it would be lost usage.
_IS_COUNT = re.compile(r"(?:_|\A)tokens\Z|TokenCount\Z", re.IGNORECASE)
_HAS_COUNTS = re.compile(r"_details\Z|\Acache_creation\Z")
_LONGEST_NAME = 100
# What the caller allowed, not what was used.
_LIMITS = {"max_tokens", "max_completion_tokens", "max_output_tokens"}


@dataclass(frozen=True)
class UsageObject:
    """What one provider reports; a dot leads into an object. Fields of one measure are added up.

    `within_input` and `within_output` are contained in other fields, and not added. Of `cached` and `written`
    fields that are `beside` the input, the input has to be completed. `same` fields repeat another.
    """

    provider: str
    input: tuple[str, ...]
    output: tuple[str, ...]
    total: str
    cached: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    beside: bool = False
    within_input: tuple[str, ...] = ()
    within_output: tuple[str, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    by_total: str = ""  # within the input or beside it, as the total shows

    @property
    def known(self) -> set[str]:
        """All of its fields."""
        fields = {*self.input, *self.output, *self.cached, *self.written, *self.within_input}
        fields |= {*self.within_output, self.total, *(field for field, _ in self.same)}
        return fields | ({self.by_total} if self.by_total else set())


OPENAI_CHAT = UsageObject(
    provider="OpenAI chat, SenseNova, LiteLLM",
    input=("prompt_tokens",),
    output=("completion_tokens",),
    total="total_tokens",
    cached=("prompt_tokens_details.cached_tokens",),
    written=("prompt_tokens_details.cache_write_tokens",),
    within_input=(
        "prompt_tokens_details.audio_tokens",
        "prompt_tokens_details.image_tokens",
        "prompt_tokens_details.text_tokens",
        "prompt_tokens_details.video_tokens",
        "prompt_tokens_details.tool_use_tokens",
        "prompt_tokens_details.initial_prompt_tokens",
        "prompt_tokens_details.provisioned_tokens",
        "prompt_cache_miss_tokens",
    ),
    within_output=(
        "completion_tokens_details.reasoning_tokens",
        "completion_tokens_details.audio_tokens",
        "completion_tokens_details.image_tokens",
        "completion_tokens_details.text_tokens",
        "completion_tokens_details.video_tokens",
        "completion_tokens_details.accepted_prediction_tokens",
        "completion_tokens_details.rejected_prediction_tokens",
        "completion_tokens_details.provisioned_tokens",
    ),
    same=(
        ("cached_tokens", "prompt_tokens_details.cached_tokens"),
        ("prompt_cache_hit_tokens", "prompt_tokens_details.cached_tokens"),
        ("cache_read_input_tokens", "prompt_tokens_details.cached_tokens"),
        ("prompt_tokens_details.cache_creation_tokens", "prompt_tokens_details.cache_write_tokens"),
        ("cache_creation_input_tokens", "prompt_tokens_details.cache_write_tokens"),
        ("prompt_tokens_details.cache_creation_input_tokens", "prompt_tokens_details.cache_write_tokens"),
    ),
    by_total="knowledge_tokens",
)
OPENAI_RESPONSES = UsageObject(
    provider="OpenAI responses",
    input=("input_tokens",),
    output=("output_tokens",),
    total="total_tokens",
    cached=("input_tokens_details.cached_tokens",),
    written=("input_tokens_details.cache_write_tokens",),
    within_input=(
        "input_tokens_details.audio_tokens",
        "input_tokens_details.image_tokens",
        "input_tokens_details.text_tokens",
    ),
    within_output=(
        "output_tokens_details.reasoning_tokens",
        "output_tokens_details.audio_tokens",
        "output_tokens_details.image_tokens",
        "output_tokens_details.text_tokens",
    ),
)
ANTHROPIC = UsageObject(
    provider="Anthropic",
    input=("input_tokens",),
    output=("output_tokens",),
    total="total_tokens",
    cached=("cache_read_input_tokens",),
    written=("cache_creation_input_tokens",),
    beside=True,
    within_input=("cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens"),
    within_output=("output_tokens_details.thinking_tokens",),
)
GEMINI = UsageObject(
    provider="Gemini",
    input=("promptTokenCount", "toolUsePromptTokenCount"),
    output=("candidatesTokenCount", "thoughtsTokenCount"),
    total="totalTokenCount",
    cached=("cachedContentTokenCount",),
)
USAGE_OBJECTS = (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC, GEMINI)


def quantities_of(usage: Mapping[str, Any], *, path: str) -> Counts:
    """Return what a provider's usage object or our own quantities come to, by measure; raise BadItem.

    `path` leads to the object, for errors, e.g. `data.`. Other fields than counts are passed over.
    """
    flat = {name: value for name, value in _flattened(usage) if _may_be_count(name) and value is not None}
    if unreadable := [name for name in flat if not _is_plain(name)]:
        raise BadItem(path.removesuffix("."), f"names of counts that are not plain: {len(unreadable)}")
    counts = {name: _count(name, value, path) for name, value in flat.items()}
    if not counts:
        raise BadItem(path.removesuffix("."), "has no billable quantity")
    if counts.keys() <= _MEASURES:
        return counts
    kind = _kind_of(counts, path)
    if counts.keys() == {kind.total}:
        raise BadItem(
            path.removesuffix("."),
            f"{kind.total} alone cannot be billed: input and output have their own prices",
        )
    return _mapped(_merged(counts, kind, path), kind, path)


def _flattened(usage: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for name, value in usage.items():
        if isinstance(value, dict) and _HAS_COUNTS.search(name):
            found += [(f"{name}.{inner}", one) for inner, one in value.items()]
        else:
            found.append((name, value))
    return found


def _may_be_count(name: str) -> bool:
    return name in _MEASURES or (bool(_IS_COUNT.search(name)) and name not in _LIMITS)


def _is_plain(name: str) -> bool:
    # Errors show the names of counts.
    return name.isascii() and name.isprintable() and len(name) <= _LONGEST_NAME


def _count(name: str, value: Any, path: str) -> int:
    read = nearest_whole if name == Measure.SECONDS else whole_number
    return read(f"{path}{name}", value)


def has_counts(usage: Mapping[str, Any]) -> bool:
    """Whether an object names anything that may be a count."""
    return any(_may_be_count(name) and value is not None for name, value in _flattened(usage))


def _kind_of(counts: Counts, path: str) -> UsageObject:
    fitting = [kind for kind in USAGE_OBJECTS if counts.keys() <= kind.known]
    if fitting:
        return fitting[0]
    everything = _MEASURES.union(*(kind.known for kind in USAGE_OBJECTS))
    if unknown := sorted(counts.keys() - everything):
        raise BadItem(f"{path}{unknown[0]}", "is not a known count, and would be lost")
    raise BadItem(path.removesuffix("."), "has quantities of more than one format")


def _merged(counts: Counts, kind: UsageObject, path: str) -> Counts:
    """Leave out fields that repeat others; raise BadItem where they differ."""
    merged = dict(counts)
    for repeated, field in kind.same:
        if repeated in merged:
            count = merged.pop(repeated)
            if merged.setdefault(field, count) != count:
                raise BadItem(f"{path}{repeated}", f"differs from {field}")
    return merged


def _mapped(counts: Counts, kind: UsageObject, path: str) -> Counts:
    def total_of(fields: tuple[str, ...]) -> int:
        return sum(counts.get(field, 0) for field in fields)

    cached, written = total_of(kind.cached), total_of(kind.written)
    read = total_of(kind.input) + (cached + written if kind.beside else 0)
    output, total = total_of(kind.output), counts.get(kind.total)
    beside = counts.get(kind.by_total, 0)
    if beside and total == read + beside + output:
        read += beside
    elif beside and total is None:
        raise BadItem(f"{path}{kind.by_total}", f"without {kind.total} it may be part of the input or not")
    if total is not None and total != read + output:
        raise BadItem(f"{path}{kind.total}", f"is {total:,}, but input and output are {read + output:,}")
    _require_within(counts, kind.within_input, read, path)
    _require_within(counts, kind.within_output, output, path)
    found = {
        Measure.INPUT_TOKENS: read,
        Measure.CACHED_INPUT_TOKENS: cached,
        Measure.CACHE_WRITE_TOKENS: written,
        Measure.OUTPUT_TOKENS: output,
    }
    return {measure.value: count for measure, count in found.items() if count}


def _require_within(counts: Counts, fields: tuple[str, ...], whole: int, path: str) -> None:
    for field in fields:
        if counts.get(field, 0) > whole:
            raise BadItem(f"{path}{field}", f"is more than the {whole:,} that it is part of")
