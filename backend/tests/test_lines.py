"""Markdown in one line: the same cases as the page's own `text.test.ts`."""

import pytest

from mainloop.lines import brief, unmarked


@pytest.mark.parametrize(
    ("markdown", "line"),
    [
        ("Use **pino** for the service.\n\n| a | b |", "Use pino for the service."),
        ("\n\n## What I found\ntext", "What I found"),
        ("- run `npm test` first", "run npm test first"),
        ("see [the notes](https://example.org/a_b) and ![a picture](x.png)", "see the notes and a picture"),
        ("*soon* and _now_, ~~never~~", "soon and now, never"),
        ("the file a_b_c and 2 * 3 * 4 stay", "the file a_b_c and 2 * 3 * 4 stay"),
        ("1. first", "first"),
        ("**It is `built`.**", "It is built."),
        ("delete `__init__.py`, or `__main__.py`?", "delete __init__.py, or __main__.py?"),
        ("glob `**/*.py` and `**/*.ts`", "glob **/*.py and **/*.ts"),
        ("", ""),
    ],
)
def test_a_markdown_text_is_shortened_to_its_first_line_without_marks(markdown: str, line: str) -> None:
    assert brief(markdown) == line


def test_a_text_of_several_lines_stays_whole_in_one() -> None:
    question = "I looked at **both ways**:\n\n- a queue\n- a table\n\nWhich one do you want?"
    assert unmarked(question) == "I looked at both ways: - a queue - a table Which one do you want?"


def test_a_long_text_stays_as_it_is_however_many_marks_without_an_end_are_in_it() -> None:
    long = "x" + " *a" * 20_000
    assert unmarked(long) == long
