"""Which chunks are weighed for a question's words."""

from __future__ import annotations

import math

import pytest

from retrieval.query.keywords import QUESTION_TERM_SHARE, most_rows, weigh
from retrieval.terms import term_counts

TOTAL = 10_000
FREQUENCIES = {1: 10, 2: 200, 3: 900, 4: 2_000, 5: 9_000}


def test_the_rarest_words_are_looked_for_alone_and_common_ones_together():
    words = weigh((5, 4, 3, 2, 1), FREQUENCIES, TOTAL)
    assert words.rare == (1, 2)
    assert words.groups[0] == (3, 4)


def test_the_rows_that_are_weighed_stay_within_bounds_whatever_the_words():
    words = weigh((5, 4, 3, 2, 1), FREQUENCIES, TOTAL)
    expected = sum(FREQUENCIES[term] for term in words.rare)
    expected += sum(
        TOTAL * math.prod(FREQUENCIES[term] / TOTAL for term in group) for group in words.groups
    )
    assert expected <= most_rows(TOTAL)


def test_a_question_of_one_word_is_looked_for_however_common_it_is():
    words = weigh((5,), FREQUENCIES, TOTAL)
    assert (words.rare, words.groups) == ((5,), ())


def test_a_question_of_common_words_only_is_looked_for_by_several_at_once():
    words = weigh((5, 4, 3), FREQUENCIES, TOTAL)
    assert words.rare == ()
    assert words.groups == ((3, 4),)


def test_all_words_count_where_few_chunks_are_searched():
    words = weigh((5, 4, 3, 2, 1), FREQUENCIES, TOTAL, all_terms=True)
    assert words.rare == (1, 2, 3, 4, 5)


def test_more_rows_are_weighed_in_a_larger_tenant_but_a_smaller_share():
    assert most_rows(100_000) == pytest.approx(most_rows(10_000) * math.sqrt(10), rel=0.01)


def test_a_chunk_that_holds_each_word_once_holds_the_whole_question():
    words = weigh((1, 2, 3), FREQUENCIES, TOTAL)
    assert sum(words.shares(is_damped=False).values()) == pytest.approx(1)
    # The share of a word that no chunk has is nobody's.
    assert sum(weigh((1, 77), FREQUENCIES, TOTAL).shares(is_damped=False).values()) < 0.6


def test_words_that_only_make_a_question_count_less():
    (how, reset) = [*term_counts("how"), *term_counts("reset")]
    words = weigh((how, reset), {how: 50, reset: 50}, TOTAL)
    damped = words.shares(is_damped=True)
    assert damped[how] == pytest.approx(QUESTION_TERM_SHARE * damped[reset])


def test_no_word_that_the_tenant_has_is_no_search():
    words = weigh((77, 78), FREQUENCIES, TOTAL)
    assert (words.idf, words.rare, words.groups) == ({}, (), ())
    assert weigh((), FREQUENCIES, TOTAL).shares(is_damped=True) == {}


def test_in_a_handful_of_chunks_a_word_that_all_have_still_counts():
    words = weigh((1, 77), {1: 2}, 2)
    assert words.shares(is_damped=False)[1] > 0.4
