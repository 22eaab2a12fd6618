"""A browser as far as the server can tell: it opens a form before it sends it, with its hidden fields."""

import re
from html.parser import HTMLParser
from typing import Any

from django.test import Client

VERSION = "version"
_EDITS = re.compile(r"/(change|delete|take-back|settings|account)/?$")


class Browser(Client):
    """Sends the version of a page that edits, opened just before unless the test has opened it itself."""

    def post(self, path: Any, data: Any = None, *arguments: Any, **named: Any) -> Any:
        """Open the page first where the fields hold no version."""
        if _EDITS.search(path) and isinstance(data, dict | None) and VERSION not in (data or {}):
            data = {VERSION: version_of(self.get(path))} | (data or {})
        return super().post(path, data, *arguments, **named)


class _Fields(HTMLParser):
    """Collects what a browser would send of all forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, list[str]] = {}
        self._select = self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        its = dict(attrs)
        name = its.get("name") or ""
        if tag == "select":
            self._select = name
        elif tag == "option" and "selected" in its:
            self._put(self._select, its.get("value") or "")
        elif tag == "textarea":
            self._text = name
            self.fields[name] = [""]
        elif tag == "input" and its.get("type") in {"checkbox", "radio"}:
            if "checked" in its:
                self._put(name, its.get("value") or "on")
        elif tag == "input" and its.get("type") != "submit":
            self._put(name, its.get("value") or "")

    def handle_data(self, data: str) -> None:
        if self._text:
            self.fields[self._text][0] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = ""

    def _put(self, name: str, value: str) -> None:
        if name:
            self.fields.setdefault(name, []).append(value)


def fields_of(page: Any) -> dict[str, list[str]]:
    """Return the fields of a page as a browser would send them."""
    parser = _Fields()
    parser.feed(page.content.decode())
    return parser.fields | {VERSION: parser.fields.get(VERSION, [""])[:1]}


def version_of(page: Any) -> str:
    """Return the version that a page holds; empty if it holds none."""
    return fields_of(page)[VERSION][0]
