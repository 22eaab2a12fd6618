"""The colours of series in charts can be told apart: by all eyes, on light ground and on dark."""

import re
from itertools import combinations
from math import dist
from pathlib import Path

import pytest
from django.conf import settings

STYLES = Path(settings.BASE_DIR, "sensenova_billing/assets/billing/billing.css").read_text()
COCKPIT = Path(settings.BASE_DIR, "sensenova_billing/assets/billing/cockpit.css").read_text()
# What people see who lack one kind of cone (Machado, Oliveira and Fernandes 2009), from linear RGB.
SIGHTS = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}
# Distances in Oklab, times 100: about 2 can just be told apart side by side.
LEAST = {"usual": 10, "protanopia": 6.5, "deuteranopia": 6.5}
LEAST_OF_NEIGHBOURS = 7.5
LEAST_CONTRAST = 3  # of what is no text (WCAG 2.2, 1.4.11)


DRAWN = ("bar", "before")


def schemes():
    """The tokens of each colour scheme: light, dark by the system, dark by choice."""
    blocks = re.findall(r":root[^{]*{(.*?)}", STYLES, re.DOTALL)
    return [tokens(block) for block in blocks]


def tokens(block):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


LIGHT, DARK, CHOSEN_DARK = schemes()
SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def palette(scheme):
    return [scheme[f"series-{place}"] for place in range(16)]


def linear(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def product(matrix, vector):
    return [sum(factor * part for factor, part in zip(row, vector, strict=True)) for row in matrix]


def seen(colour, sight):
    """The place of a colour in Oklab, as these eyes see it."""
    shown = [min(max(part, 0), 1) for part in product(SIGHTS[sight], linear(colour))]
    cones = product(
        (
            (0.4122214708, 0.5363325363, 0.0514459929),
            (0.2119034982, 0.6806995451, 0.1073969566),
            (0.0883024619, 0.2817188376, 0.6299787005),
        ),
        shown,
    )
    return product(
        (
            (0.2104542553, 0.7936177850, -0.0040720468),
            (1.9779984951, -2.4285922050, 0.4505937099),
            (0.0259040371, 0.7827717662, -0.8086757660),
        ),
        [cone ** (1 / 3) for cone in cones],
    )


def distance(one, other, sight):
    return 100 * dist(seen(one, sight), seen(other, sight))


def contrast(one, other):
    dark, light = sorted(
        sum(f * p for f, p in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))
        for colour in (one, other)
    )
    return (light + 0.05) / (dark + 0.05)


@SCHEMES
@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_series_can_be_told_apart(scheme, sight):
    pairs = combinations(palette(scheme), 2)

    assert [pair for pair in pairs if distance(*pair, sight) < LEAST[sight]] == []


@SCHEMES
@pytest.mark.parametrize("sight", SIGHTS)
def test_series_that_stand_beside_each_other_can_be_told_apart_easily(scheme, sight):
    colours = palette(scheme)
    neighbours = zip(colours, [*colours[1:], colours[0]], strict=True)

    assert [pair for pair in neighbours if distance(*pair, sight) < LEAST_OF_NEIGHBOURS] == []


@SCHEMES
def test_a_series_stands_out_from_its_ground(scheme):
    contrasts = {colour: contrast(colour, scheme["surface"]) for colour in palette(scheme)}

    assert {colour: least for colour, least in contrasts.items() if least < LEAST_CONTRAST} == {}


@pytest.mark.parametrize("ground", ["ground", "surface"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "good", "warn", "bad"])
@SCHEMES
def test_words_can_be_read(scheme, text, ground):
    assert contrast(scheme[text], scheme[ground]) >= 4.5


def test_the_bars_and_the_line_of_the_admins_first_page_stand_out_as_well():
    light, dark = (tokens(block) for block in re.findall(r"\.cockpit {(.*?)}", COCKPIT, re.DOTALL))
    colours = [(scheme[name], scheme["surface"]) for scheme in (light, light | dark) for name in DRAWN]

    assert [pair for pair in colours if contrast(*pair) < LEAST_CONTRAST] == []


def test_dark_is_the_same_by_the_system_and_by_choice():
    assert DARK == CHOSEN_DARK
