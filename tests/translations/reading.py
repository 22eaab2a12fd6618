"""What a person reads on a page, the texts that the sources mark, and the entries of a catalogue."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation.template import templatize

CATALOGUE = Path(settings.BASE_DIR, "locale/zh_Hans/LC_MESSAGES/django.po")
APPS = ("accounts", "pricing", "usage", "invoices", "sensenova_billing")
MARKS = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
WITH_CONTEXT = {"pgettext", "pgettext_lazy"}
READ_ATTRIBUTES = ("aria-label", "title", "placeholder", "alt", "data-head", "data-dark", "data-light")
# Nothing for people: what is sent, what a script reads by name, addresses of the API, and keys of a keyboard.
NOT_READ = {"script", "style", "code", "kbd"}
# Not the fields of texts that a script fills.
WORD = re.compile(r"(?<!%\()\b[A-Za-z]{2,}")


class _Page(HTMLParser):
    """Collects the texts of a page; not those in a language that they name themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._json = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        its = dict(attrs)
        self.texts += [its[name] or "" for name in READ_ATTRIBUTES if name in its]
        is_icon = "material-symbols" in (its.get("class") or "")
        is_left_out = tag in NOT_READ or is_icon or (tag != "html" and "lang" in its)
        if tag not in VOID:
            self._open.append((tag, is_left_out))
        is_json = its.get("type") == "application/json" and its.get("id") not in FOR_SCRIPTS
        self._json = tag if is_json else ""

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass
        self._json = ""

    def handle_data(self, data: str) -> None:
        if self._json:
            self.texts += _strings(json.loads(data))
        elif not any(is_left_out for _, is_left_out in self._open):
            self.texts.append(data)


VOID = {"input", "br", "img", "meta", "link", "hr"}
# Of which scripts show nothing; and names that they look up in the others.
FOR_SCRIPTS = {"calculator-services"}
NOT_SHOWN = {"badge", "amounts", "hours", "totals", "links"}


def _strings(value: Any, name: str = "") -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _strings(inner, key)
        case list():
            for inner in value:
                yield from _strings(inner, name)
        case str() if name not in NOT_SHOWN:
            yield value


def texts_of(page: str) -> list[str]:
    """Return every text of a page that a person reads, hears or is shown by a script."""
    parser = _Page()
    parser.feed(page)
    return [" ".join(text.split()) for text in parser.texts if text.strip()]


@cache
def marked_texts() -> frozenset[str]:
    """Return every text that a source or template marks for translation."""
    return frozenset(_marked_texts())


def _marked_texts() -> Iterator[str]:
    for app in APPS:
        for path in Path(settings.BASE_DIR, app).rglob("*.py"):
            yield from _marked(path.read_text())
    for path in template_files():
        literals = re.findall(_CALL, templatize(path.read_text(), origin=str(path)))
        yield from map(ast.literal_eval, literals)


_CALL = r"""gettext\((u'(?:[^'\\]|\\.)*'|u"(?:[^"\\]|\\.)*")"""


def template_files() -> list[Path]:
    """Return the templates of this project."""
    folder = Path(settings.BASE_DIR, "templates")
    return sorted(path for path in folder.rglob("*") if path.suffix in {".html", ".txt"})


def unmarked_texts(path: Path) -> Iterator[str]:
    """Yield what stands in a template outside of its marks and could be read."""
    source = re.sub(r"{% blocktranslate.*?{% endblocktranslate %}", " ", path.read_text(), flags=re.DOTALL)
    source = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}", " ", source, flags=re.DOTALL)
    yield from texts_of(source) if path.suffix == ".html" else [source]


def _marked(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (name := getattr(node.func, "id", "")) in MARKS | WITH_CONTEXT:
            constants = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if texts := [value for value in constants if isinstance(value, str)]:
                yield "\4".join(texts) if name in WITH_CONTEXT else texts[0]


def entries() -> Iterator[tuple[str, str, str]]:
    """Yield the text, the translation and the flags of each entry of the catalogue but its head."""
    for entry in CATALOGUE.read_text().split("\n\n")[1:]:
        texts = {
            name: "".join(ast.literal_eval(line) for line in lines.split("\n") if line)
            for name, lines in re.findall(r'^(msg\w+(?:\[\d\])?) ((?:".*"\n?)+)', entry, re.MULTILINE)
        }
        flags = " ".join(re.findall(r"^#, (.*)$", entry, re.MULTILINE))
        key = "\4".join(filter(None, (texts.get("msgctxt"), texts["msgid"])))  # as gettext itself joins them
        yield key, texts.get("msgstr", texts.get("msgstr[0]", "")), flags
