"""Passages without what is beside the point: what stays, and that it stays as it was."""

from __future__ import annotations

import pytest

from retrieval.query.compress import GAP, compress
from retrieval.types import Hit

HOTEL = (
    "# Booking\n\n"
    "Rooms are booked on the website or by telephone. Groups of more than nine people write to us. "
    "The lobby was painted green in the spring. Our founder collected paintings of horses. "
    "They hang in the corridor of the second floor. Some of them were shown in museums abroad. "
    "The garden has old roses and a small fountain. Peacocks walk there in summer. "
    "Their feathers are collected by children. "
    "A booking may be cancelled free of charge until two days before arrival. "
    "After that the first night is charged.\n\n"
    "# Garden\n\n"
    "Tulips are planted in autumn. The gardener comes on weekdays. He likes to talk about compost.\n"
)
QUESTION = "Until when can I cancel my booking?"


def hit(rank, text, shown=""):
    return Hit(rank, "d", "a.md", "", text, 1 / rank, 0.5, "public", rank, shown=shown)


def shown(hits):
    return [one.shown or one.text for one in hits]


def test_what_is_beside_the_point_is_left_out_and_the_answer_stays():
    hits, saved = compress(QUESTION, [hit(1, HOTEL)])
    (text,) = shown(hits)
    assert "cancelled free of charge until two days before arrival" in text
    assert "After that the first night is charged." in text, "what follows an answer belongs to it"
    assert "shown in museums" not in text
    assert "compost" not in text
    assert saved == (len(HOTEL) - len(text)) // 4 > 50


def test_what_is_kept_is_kept_to_the_letter_in_its_order():
    (text,) = shown(compress(QUESTION, [hit(1, HOTEL)])[0])
    place = 0
    for piece in text.split(GAP):
        place = HOTEL.index(piece, place) + len(piece)


def test_the_passage_itself_is_not_changed():
    hits, _ = compress(QUESTION, [hit(1, HOTEL)])
    assert hits[0].text == HOTEL


def test_a_heading_stays_above_what_is_kept():
    (text,) = shown(compress("When are tulips planted?", [hit(1, HOTEL)])[0])
    assert "# Garden\n\nTulips are planted in autumn." in text


FILLER = " ".join(f"Sentence {word} is about something else." for word in "abcdefghijklmnop")


def test_an_announced_list_stays_whole():
    text = f"{FILLER}\n\nTo join the library you need:\n\n- a photograph\n- some post\n- a pen\n"
    (kept,) = shown(compress("What do I need to join the library?", [hit(1, text)])[0])
    assert kept.endswith("you need:\n\n- a photograph\n- some post\n- a pen\n")
    assert len(kept) < len(text)


def test_a_row_keeps_the_head_of_its_table():
    rows = "\n".join(f"| thing {n} | colour {n} |" for n in range(20))
    text = f"{FILLER}\n\n| Item | Price |\n|---|---|\n{rows}\n| umbrella | 7 euro |\n"
    (kept,) = shown(compress("What does an umbrella cost?", [hit(1, text)])[0])
    assert "| Item | Price |\n|---|---|\n" in kept
    assert "| umbrella | 7 euro |" in kept
    assert "thing 3" not in kept


def test_code_is_not_cut_apart():
    code = "```\npip install kiosk. Then run it.\n\nkiosk serve\n```\n"
    text = f"{FILLER}\n\nInstall the kiosk so:\n\n{code}\n{FILLER}"
    (kept,) = shown(compress("How is the kiosk installed?", [hit(1, text)])[0])
    assert code in kept


def test_numbers_stay_where_an_amount_is_asked_for():
    text = f"The parking garage is below the hotel. {FILLER} It takes 18 euro. {FILLER}"
    (kept,) = shown(compress("How much is the parking garage?", [hit(1, text)])[0])
    assert "It takes 18 euro." in kept


def test_of_two_passages_that_say_the_same_the_better_one_says_it():
    same = "A booking may be cancelled free of charge until two days before arrival."
    other = f"{same} Cancelling a booking on the telephone is possible too. {FILLER}"
    hits, _ = compress(QUESTION, [hit(1, HOTEL), hit(2, other)])
    first, second = shown(hits)
    assert (same in first, same in second) == (True, False)
    assert "on the telephone is possible too" in second


@pytest.mark.parametrize(
    "other",
    [
        "A booking may not be cancelled free of charge until two days before arrival.",
        "A booking may be cancelled free of charge until three days before arrival.",
    ],
)
def test_a_sentence_that_contradicts_another_stays(other):
    hits, _ = compress(QUESTION, [hit(1, HOTEL), hit(2, f"{other} {FILLER}")])
    assert other in shown(hits)[1]


@pytest.mark.parametrize("question", ["What is it?", "Wie spät ist es?", "…", "Which zebras sing?"])
def test_without_a_word_in_common_nothing_is_left_out(question):
    assert compress(question, [hit(1, HOTEL)]) == ([hit(1, HOTEL)], 0)


def test_a_passage_found_by_its_meaning_alone_stays_whole():
    meaning = "Withdrawal from a reservation costs nothing up to forty-eight hours ahead. " + FILLER
    hits, _ = compress(QUESTION, [hit(1, HOTEL), hit(2, meaning)])
    assert shown(hits)[1] == meaning


def test_what_is_shown_already_with_neighbours_is_what_is_shortened():
    hits, _ = compress(QUESTION, [hit(1, "Peacocks walk there.", shown=HOTEL)])
    assert "two days before arrival" in hits[0].shown
    assert len(hits[0].shown) < len(HOTEL)


def test_nothing_is_nothing():
    assert compress(QUESTION, []) == ([], 0)
