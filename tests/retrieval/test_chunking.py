"""Passages: complete, within the window, exactly placed, under the right headings."""

from __future__ import annotations

import random
import time

import pytest

from retrieval.indexing.chunking import split
from retrieval.indexing.headings import Outline
from retrieval.providers.embedders import get_embedder
from retrieval.providers.openai_embeddings import OpenAIEmbedder

WORDS = [
    "the",
    "pump",
    "stands",
    "behind",
    "door",
    "seven,",
    "naïve",
    "café",
    "größer",
    "東京",
    "привет",
    "🚀",
    "x=1;",
    "of_the",
    "3.14",
]
PARTS = (
    lambda r: f"{'#' * r.randint(1, 6)} {sentence(r, 5)}\n\n",
    lambda r: f"{sentence(r, 3)}\n{'=' * 9}\n\n",
    lambda r: "".join(sentence(r, 20) + ". " for _ in range(r.randint(1, 12))) + "\n\n",
    lambda r: f"```python\n# {sentence(r, 4)}\n{sentence(r, 30)}\n\nx = 1\n```\n\n",
    lambda r: "| a | b |\n|---|---|\n" + f"| {sentence(r, 3)} | 7 |\n" * r.randint(1, 30) + "\n",
    lambda r: "".join(f"- {sentence(r, 9)}\n" for _ in range(r.randint(1, 9))) + "\n",
    lambda r: f"> {sentence(r, 9)}\r\n\r\n---\r\n\r\n",
    lambda r: "Z9/" * r.randint(1, 900) + "\n\n\n \n",
)


@pytest.fixture(scope="module")
def embedder():
    return get_embedder("local:all-MiniLM-L6-v2")


def sentence(rng, length):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, length)))


def random_markdown(seed):
    rng = random.Random(seed)
    return "".join(rng.choice(PARTS)(rng) for _ in range(rng.randint(1, 40)))


def check(markdown, passages, embedder, max_tokens):
    """What holds for any text."""
    place = 0
    for number, passage in enumerate(passages):
        assert passage.ordinal == number
        assert passage.text == markdown[passage.start_char : passage.end_char]
        assert passage.text.strip()
        assert not markdown[place : passage.start_char].strip(), "text was left out"
        assert passage.start_char >= place, "passages overlap"
        place = passage.end_char
        assert embedder.count_tokens(passage.text) - 2 <= max_tokens
        assert embedder.count_tokens(passage.embedded_text) <= embedder.max_tokens
        assert passage.token_count == embedder.count_tokens(passage.embedded_text)
    assert not markdown[place:].strip(), "the end was left out"


@pytest.mark.parametrize("seed", range(25))
def test_any_document_is_covered_once_within_the_limits(seed, embedder):
    markdown = random_markdown(seed)
    max_tokens = (60, 120, 220, 2000)[seed % 4]
    check(markdown, split(markdown, embedder, max_tokens), embedder, max_tokens)


@pytest.mark.parametrize("markdown", ["", "  \n\t\n", "\n\n\n"])
def test_blank_text_has_no_passages(markdown, embedder):
    assert split(markdown, embedder, 220) == []


def test_short_text_without_headings_is_one_passage(embedder):
    (passage,) = split("Just a line.\n", embedder, 220)
    assert (passage.text, passage.heading_path, passage.start_char) == ("Just a line.", "", 0)


def test_heading_path_leads_from_the_outermost_heading_to_the_text(embedder):
    body = "Open a terminal and run the installer. " * 25
    markdown = (
        f"# Guide\n\n{body}\n\n## Install\n\n{body}\n\n### Linux\n\n{body}\n\n## Use\n\n{body}"
    )
    found = list(dict.fromkeys(p.heading_path for p in split(markdown, embedder, 120)))
    assert found == ["Guide", "Guide > Install", "Guide > Install > Linux", "Guide > Use"]


def test_headings_on_top_of_each_other_all_lead_to_the_text(embedder):
    (passage,) = split("# Guide\n\n## Install\n\n### Linux\n\nRun make.", embedder, 220)
    assert passage.heading_path == "Guide > Install > Linux"


def test_a_passage_of_several_sections_stands_under_what_they_share(embedder):
    markdown = "# Guide\n\n## Install\n\n### Linux\n\nRun make.\n\n### Windows\n\nRun setup."
    (passage,) = split(markdown, embedder, 220)
    assert passage.heading_path == "Guide > Install"


def test_a_heading_goes_with_the_text_that_it_announces(embedder):
    body = "Each station sends its level to the control room every minute of the day. " * 40
    markdown = f"# Levels\n\n## Stations\n\n{body}\n\n## Rooms\n\n{body}"
    passages = split(markdown, embedder, 220)
    outline = Outline(markdown)
    assert not any(outline.is_only_headings(p.start_char, p.end_char) for p in passages)
    check(markdown, passages, embedder, 220)


def test_a_document_of_headings_alone_keeps_them(embedder):
    (passage,) = split("# One\n\n## Two\n", embedder, 220)
    assert passage.text == "# One\n\n## Two"


def test_a_hash_in_fenced_code_is_no_heading(embedder):
    markdown = "# Real\n\n~~~~sh\n# not one\n~~~\n# nor this\n~~~~\n\n````\n```\n# no\n````\n\ntext"
    assert [heading.path for heading in Outline(markdown).headings] == [("Real",)]
    assert split(markdown, embedder, 220)[0].heading_path == "Real"


def test_underlined_headings_count_but_tables_rules_and_front_matter_do_not():
    markdown = (
        "---\ntitle: Front\n---\n\nTop\n===\n\n| a |\n|---|\n| b |\n---\n\n- item\n---\n\n"
        "***\n\nUnder\n---\ntext\n"
    )
    assert [heading.path for heading in Outline(markdown).headings] == [("Top",), ("Top", "Under")]


def test_titles_are_shown_without_marks():
    markdown = "# **Bold** and `code` and [link](http://x) \\# #\n\n#hashtag\n\n#\n"
    assert Outline(markdown).headings[0].path == ("Bold and code and link #",)
    assert len(Outline(markdown).headings) == 2


def test_a_very_long_heading_leaves_room_for_the_text(embedder):
    markdown = f"# {'endless title ' * 200}\n\n## Inner\n\n{'Some body text. ' * 300}"
    passages = split(markdown, embedder, 220)
    check(markdown, passages, embedder, 220)
    assert passages[-1].heading_path == "… > Inner"


def test_a_run_without_spaces_is_cut(embedder):
    markdown = "A" * 50_000
    passages = split(markdown, embedder, 220)
    check(markdown, passages, embedder, 220)
    assert max(len(passage.text) for passage in passages) < 2_000


def test_table_rows_and_code_stay_whole_where_they_fit(embedder):
    rows = "".join(f"| row {n} | a value of some length | {n * n} |\n" for n in range(60))
    markdown = f"# Numbers\n\n| name | what | square |\n|---|---|---|\n{rows}"
    passages = split(markdown, embedder, 120)
    check(markdown, passages, embedder, 120)
    assert all(passage.text.strip().endswith("|") for passage in passages)


def test_approximate_counts_of_an_endpoint_are_kept_within_as_well():
    embedder = OpenAIEmbedder("any", base_url="http://127.0.0.1:1/v1", api_key="any")
    passages = split(random_markdown(3) * 5, embedder, 220)
    assert max(passage.token_count for passage in passages) <= embedder.max_tokens


def test_places_are_in_characters_whatever_their_bytes(embedder):
    markdown = "# 概要 🚀\n\n" + "東京は日本の首都です。🚀 é " * 120
    passages = split(markdown, embedder, 60)
    check(markdown, passages, embedder, 60)
    assert {passage.heading_path for passage in passages} == {"概要 🚀"}


def test_time_grows_with_the_length_and_not_faster(embedder):
    def seconds(markdown):
        start = time.process_time()
        split(markdown, embedder, 220)
        return time.process_time() - start

    piece = random_markdown(1) + random_markdown(2)
    assert seconds(piece * 8) < 8 * 3 * seconds(piece)


class Counter:
    """Four characters to a token: what is measured is the splitting."""

    max_tokens = 256

    def count_tokens(self, text: str) -> int:
        return len(text) // 4


LONG = {
    "log": "2026-11-22 11:00 INFO worker took the next document of the queue\n",
    "line": "The pump behind door seven is checked every Monday. ",
    "run": "Z9/ab",
    "headings": "## Part\n\nIt is checked every Monday.\n\n",
    "headings alone": "### A part of the plan that has no text\n\n",
    "table": "| pump | behind door seven | checked |\n",
    "list": "- The pump behind door seven\n",
}


@pytest.mark.parametrize("kind", LONG)
def test_two_megabytes_are_split_in_seconds(kind):
    markdown = LONG[kind] * (2_000_000 // len(LONG[kind]))
    start = time.process_time()
    passages = split(markdown, Counter(), 220)
    assert time.process_time() - start < 6
    assert sum(len(passage.text.split()) for passage in passages) >= len(markdown.split())


def test_a_long_document_is_cut_at_its_outer_headings_and_around_its_code():
    body = "Some words about the pump and its level. " * 50
    code = "```\n" + "# not a heading\nlevel = 7\n\n" * 6000 + "```\n"
    sections = [f"## Part {n}\n\n### Detail\n\n{body}\n\n" for n in range(60)]
    markdown = f"# Guide\n\n{''.join(sections)}{code}\n## Last\n\n{body}"
    passages = split(markdown, Counter(), 220)
    assert "".join("".join(p.text.split()) for p in passages) == "".join(markdown.split())
    assert {p.heading_path for p in passages if "level = 7" in p.text} == {
        "Guide > Part 59 > Detail"
    }
    assert passages[-1].heading_path == "Guide > Last"


def test_code_a_table_and_a_list_that_fit_are_not_torn_apart(embedder):
    body = "Each station sends its level to the control room every minute of the day. " * 9
    blocks = [
        "```python\n" + "".join(f"level_{n} = read({n})\n\n" for n in range(8)) + "```",
        "| a | b |\n|---|---|\n" + "\n".join(f"| row {n} | {n} |" for n in range(12)),
        "\n".join(f"- step {n} of the list" for n in range(12)),
    ]
    markdown = "# Levels\n\n" + "\n\n".join(f"{body}\n\n{block}" for block in blocks)
    texts = [passage.text for passage in split(markdown, embedder, 220)]
    for block in blocks:
        assert any(block in text for text in texts), texts


def test_a_long_paragraph_above_a_rule_is_no_heading():
    markdown = f"# Real\n\n{'Many words. ' * 60}\n---\n\nShort title\n---\n\ntext"
    paths = [heading.path for heading in Outline(markdown).headings]
    assert paths == [("Real",), ("Real", "Short title")]
