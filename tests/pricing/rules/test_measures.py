from pricing.rules.measures import ORDER, Measure


def test_measures_are_labelled_as_the_price_page_words_them():
    labels = [measure.label for measure in Measure]

    assert labels == ["Input tokens", "Output tokens", "Input characters"]


def test_measures_are_counted_in_tokens_or_characters():
    units = [measure.unit for measure in Measure]

    assert units == ["tokens", "tokens", "characters"]


def test_measures_are_sorted_as_on_the_price_page():
    backwards = list(Measure)[::-1]

    assert sorted(backwards, key=ORDER.__getitem__) == list(Measure)
