"""Markdown in one line: the same cases as the page's own `text.test.ts`."""

import pytest

from mainloop.lines import brief


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
        ("", ""),
    ],
)
def test_a_markdown_text_is_shortened_to_its_first_line_without_marks(markdown: str, line: str) -> None:
    assert brief(markdown) == line
