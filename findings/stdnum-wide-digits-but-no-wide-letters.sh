#!/usr/bin/env bash
# python-stdnum 2.2: a tax number with the wide digits of a Chinese keyboard is valid, one with its wide letters is not.
#
# Input methods for Chinese write Latin letters and digits in their full width, so 18 characters of a unified social
# credit code come as digits and letters of one width. The package's clean() replaces "various Unicode characters with
# their ASCII counterpart", wide digits and wide hyphens among them.
# Expected: both are read as the number that they show; NFKC, Unicode's own folding, reads them so.
# Seen on 2026-11-30: InvalidFormat for the letters. Valid numbers of most companies hold some.
set -euo pipefail
here=$(mktemp -d); trap 'rm -rf "$here"' EXIT
python3 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check python-stdnum==2.2
"$here/venv/bin/python" - > "$here/seen" <<'PYTHON'
import unicodedata

from stdnum.cn import uscc
from stdnum.exceptions import ValidationError

NUMBER = "91110000600037341L"
wide = {char: chr(ord(char) + 0xFEE0) for char in NUMBER}
for name, text in (
    ("as it is", NUMBER),
    ("wide digits", "".join(wide[char] if char.isdigit() else char for char in NUMBER)),
    ("wide letters", "".join(wide[char] if char.isalpha() else char for char in NUMBER)),
    ("wide letters, folded", unicodedata.normalize("NFKC", "".join(map(wide.get, NUMBER)))),
):
    try:
        print(f"{name}: {uscc.validate(text)}")
    except ValidationError as error:
        print(f"{name}: {type(error).__name__}")
PYTHON
diff "$here/seen" - <<'SEEN'
as it is: 91110000600037341L
wide digits: 91110000600037341L
wide letters: InvalidFormat
wide letters, folded: 91110000600037341L
SEEN
echo "as described"
