"""Sentences that are stored in English are shown in the language of the page."""

import pytest
from django.utils import translation

from invoices.books.words import finding_in_words
from invoices.stored_words import alarms_because, parked_because
from sensenova_billing.lib.sentences import in_words
from usage.quarantine.words import reason_in_words

STORED = [
    (parked_because, "There is no such customer.", "没有此客户。"),
    (parked_because, "Records: 3 consumed, 2 billed.", "记录：使用 3，计费 2。"),
    (parked_because, "Input tokens: 9 consumed, 8 billed.", "输入 Token：使用 9，计费 8。"),
    (parked_because, "401.5 RMB in an hour is more than 100 RMB.", "一小时金额 401.5 元，超过上限 100 元。"),
    (
        parked_because,
        "The tokens beyond the TPM that was bought are 55 % of it; more than 50 %.",
        "超出所购 TPM 的 Token 占其 55%，超过上限 50%。",
    ),
    (
        alarms_because,
        "RMB 400.00 is more than 10 times the usual RMB 1.00 an hour of this customer.",
        "金额 ¥400.00，超过该客户通常每小时 ¥1.00 的 10 倍。",
    ),
    (reason_in_words, "SenseChat does not charge for input tokens", "SenseChat 不对输入 Token计费"),
    (reason_in_words, "is more than 35 days ago", "早于 35 天前"),
    (reason_in_words, "what nobody knows", "what nobody knows"),
]


@pytest.mark.parametrize(("in_words_of", "stored", "shown"), STORED)
def test_a_stored_sentence_is_shown_in_the_language_of_the_page(in_words_of, stored, shown):
    with translation.override("en"):
        assert in_words_of(stored) == stored
    with translation.override("zh-hans"):
        assert in_words_of(stored) == shown


def test_what_stands_in_a_field_is_not_translated():
    with translation.override("zh-hans"):
        assert in_words("bill %(x)s is a second one", made_from=["%(number)s is a second one"]) == (
            "bill %(x)s is a second one"
        )
        text = "bill 20260101T00Z-acme is a second one for the hour"
        found = {
            "what": "billed twice",
            "hour": None,
            "bill": "",
            "customer": "acme",
            "line": 7,
            "text": text,
        }
        assert (
            finding_in_words(found) == "重复计费：acme, 明细 7：账单 20260101T00Z-acme 是该小时的第二份账单"
        )
