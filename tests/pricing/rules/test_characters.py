import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.rules.characters import count_characters
from tests.builders import at, record, report
from tests.tables import code, table
from usage.models import UsageRecord

WORKED = table("pricing.md", "text", "characters", "why")

# Pieces that never join with their neighbours into one character, with what each is worth.
PIECES = {
    "你": 1,
    "好": 1,
    "a": 1,
    "7": 1,
    "，": 1,
    " ": 1,
    "\n": 0,
    "\t": 0,
    "😀": 1,
    "\u200b": 0,
    "<": 1,
    "&": 1,
}


@pytest.mark.parametrize(("text", "characters", "why"), WORKED, ids=[why for _, _, why in WORKED])
def test_the_worked_table_of_the_documentation_holds(text, characters, why):
    counted = count_characters(code(text))

    assert counted == int(characters)


def test_the_worked_table_is_read_whole():
    texts = [code(text) for text, _, _ in WORKED]

    assert len(texts) == len(set(texts)) == 46
    assert "第一行\n第二行" in texts
    assert "👨‍👩‍👧‍👦" in texts


@given(st.lists(st.sampled_from(sorted(PIECES))))
def test_a_text_is_worth_what_its_characters_are_worth(pieces):
    counted = count_characters("".join(pieces))

    assert counted == sum(PIECES[piece] for piece in pieces)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cn", "Co"))))
def test_composed_and_decomposed_text_cost_the_same(text):
    composed, decomposed = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)

    assert count_characters(composed) == count_characters(decomposed)


@pytest.mark.django_db
def test_a_text_is_counted_and_only_its_count_is_stored(acme):
    text = "你好，world！\n"

    record(report(service="nova-tts-1", input_tokens=0, output_tokens=0, input_text=text, occurred_at=at(1)))

    stored = UsageRecord.objects.values().get()
    assert stored["input_characters"] == 9
    assert not any("好" in str(value) for value in stored.values())


OLD_TAG = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)


@given(st.lists(st.sampled_from(["<", ">", "<!--", "-->", "-", "a", "<b>"])))
def test_tags_are_taken_out_as_the_plain_expression_for_them_would(pieces):
    text = "<speak>" + "".join(pieces)

    counted = count_characters(text)

    assert counted == len(OLD_TAG.sub("", text))


@pytest.mark.parametrize("open_tag", ["<", "<!--", "<!-- -->", "<a "])
def test_a_text_made_of_tags_that_never_end_is_counted_in_one_go(open_tag):
    text = "<speak>" + open_tag * (1_000_000 // len(open_tag))

    counted = count_characters(text)  # by the plain expression: hours

    assert counted >= 0


@pytest.mark.parametrize(
    "text",
    [
        "\n<speak>Hi</speak>",
        '<speak\nversion="1.1">Hi</speak>',
        '<?xml version="1.0"?>\n<speak>Hi</speak>',
        '\n<?xml version="1.0"?><speak>Hi</speak>',
    ],
)
def test_the_tags_of_ssml_are_none_wherever_its_lines_break(text):
    assert count_characters(text) == 2
