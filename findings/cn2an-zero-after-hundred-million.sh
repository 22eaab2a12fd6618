#!/usr/bin/env bash
# cn2an 0.5.24: the amount of an invoice in Chinese capitals lacks a zero, and cn2an cannot read what it wrote.
#
# Between 亿 (10^8) or 万 (10^4) and a lower group that does not begin with thousands of its own, 零 stands for the
# empty places: 100,001,000 is 壹亿零壹仟元整, for 壹亿壹仟 is how 110,000,000 is said.
# Expected: 壹亿零壹仟元整 and 壹仟万零壹仟 or 壹仟万壹仟 (both are in use), each read back as the same number.
# Seen on 2026-11-28: 100,001,000 becomes 壹亿壹仟元整, and its plain form 一亿一千 is refused by cn2an's own reader.
# 100,000,001 has its zero.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check cn2an==0.5.24
PYTHONIOENCODING=utf-8 "$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
import cn2an

for number in (100_000_001, 100_001_000):
    plain = cn2an.an2cn(number)
    try:
        back = cn2an.cn2an(plain, "smart")
    except ValueError as error:
        back = f"ValueError: {error}"
    print(number, cn2an.an2cn(number, "rmb"), plain, back)
PYTHON
diff "$here/seen" - <<'SEEN'
100000001 壹亿零壹元整 一亿零一 100000001
100001000 壹亿壹仟元整 一亿一千 ValueError: 不符合格式的数据：一亿一千
SEEN
echo "as described"
