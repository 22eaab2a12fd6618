"""The Chinese texts: every one that is marked has one, and every text of a customer's page is marked.

`make translations` collects new texts and compiles the catalogue.
"""

import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.utils import translation

from pricing.models import UNIT_SIZES, unit_text
from pricing.rules.kinds import Kind
from pricing.rules.measures import Measure
from pricing.rules.methods import BillingMethod
from pricing.words import LOOKED_UP
from sensenova_billing.admin_words import NAMES
from tests.translations.pages import is_a_name
from tests.translations.reading import (
    APPS,
    CATALOGUE,
    WORD,
    entries,
    marked_texts,
    template_files,
    unmarked_texts,
)

# The folders beneath are the admin, for SenseNova's own people.
FOR_CUSTOMERS = [path for path in template_files() if path.parent == Path(settings.BASE_DIR, "templates")]
FIELDS = re.compile(r"%\(\w+\)s|%%|<[^>]+>")


def test_every_text_that_is_marked_has_a_translation():
    translated = {text for text, translation, _ in entries() if translation}

    assert translated
    assert sorted(marked_texts() - translated) == []


def test_no_entry_is_empty_uncertain_or_of_a_text_that_is_gone():
    bad = [text for text, translation, flags in entries() if not translation or "fuzzy" in flags]

    assert bad == []
    assert sorted({text for text, *_ in entries()} - marked_texts()) == []
    assert "#~" not in CATALOGUE.read_text()


def test_a_translation_has_the_fields_and_tags_of_its_text():
    assert {
        text: translation
        for text, translation, _ in entries()
        if sorted(FIELDS.findall(text)) != sorted(FIELDS.findall(translation))
    } == {}


def test_the_compiled_catalogue_is_that_of_the_texts():
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    held = {
        key if isinstance(key, str) else key[0]: text
        for key, text in vars(compiled)["_catalog"].items()
        if key
    }
    assert held == {text: translation for text, translation, _ in entries()}


def test_the_words_of_the_rules_are_looked_up():
    names = {one.label for one in (*Measure, *Kind, *BillingMethod)}
    units = {unit_text(measure=measure, unit_size=size) for measure in Measure for size in UNIT_SIZES}

    assert sorted((names | units) - set(LOOKED_UP)) == []


def test_the_names_of_models_in_the_admin_are_looked_up():
    models = [model for model in admin.site._registry if model._meta.app_label in APPS]
    with translation.override("en"):
        names = {
            str(name) for one in models for name in (one._meta.verbose_name, one._meta.verbose_name_plural)
        }

    assert names
    assert sorted(names - set(NAMES)) == []


@pytest.mark.parametrize("path", FOR_CUSTOMERS, ids=lambda path: path.name)
def test_a_template_of_customers_holds_no_text_that_is_not_marked(path):
    assert [text for text in unmarked_texts(path) if WORD.search(text) and not is_a_name(text)] == []
