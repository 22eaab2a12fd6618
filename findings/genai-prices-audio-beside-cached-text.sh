#!/usr/bin/env bash
# genai-prices 0.2.3: a call of Gemini 2.5 Flash with sound in the prompt has no price as soon as some of its text came
# from the cache.
#
# Gemini lists the kinds of what was cached in cacheTokensDetails, and leaves out a kind of which nothing was.
# Expected: a kind that is not listed counts as 0, and the price is
# (310 x 0.30 + 700 x 1.00 + 1000 x 0.03 + 2 x 2.50) / 10^6 = 0.000828 USD.
# Seen on 2026-11-29: ValueError for want of a count of cached sound, although the cached text is all that was cached;
# with a 0 that Gemini does not send it is 0.000828. With gemini-2.5-pro, which has one price for all kinds, the same
# usage has a price. Whoever logs the error and goes on bills the call at nothing.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check genai-prices==0.2.3
"$here/venv/bin/python" - > "$here/seen" 2> "$here/errors" <<'PYTHON' || { cat "$here/errors"; exit 1; }
import datetime as dt
import re

from genai_prices import calc_price, extract_usage

TEXT = {"modality": "TEXT", "tokenCount": 1000}
NO_SOUND = {"modality": "AUDIO", "tokenCount": 0}


def show(name, model, cached):
    usage = {
        "promptTokenCount": 2010,
        "cachedContentTokenCount": 1000,
        "candidatesTokenCount": 2,
        "totalTokenCount": 2012,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1310}, {"modality": "AUDIO", "tokenCount": 700}],
        "cacheTokensDetails": cached,
    }
    read = extract_usage({"modelVersion": model, "usageMetadata": usage}, provider_id="google").usage
    when = dt.datetime(2026, 11, 29, tzinfo=dt.timezone.utc)
    try:
        price = calc_price(read, model, provider_id="google", genai_request_timestamp=when).total_price
    except ValueError as error:
        price = f"ValueError that names {re.search('cache_[a-z]+_read_tokens', str(error))[0]}"
    print(f"{name}: {price}")


show("as Gemini sends it", "gemini-2.5-flash", [TEXT])
show("with a zero", "gemini-2.5-flash", [TEXT, NO_SOUND])
show("one price for all kinds", "gemini-2.5-pro", [TEXT])
PYTHON
diff "$here/seen" - <<'SEEN'
as Gemini sends it: ValueError that names cache_audio_read_tokens
with a zero: 0.000828
one price for all kinds: 0.0014075
SEEN
echo "as described"
