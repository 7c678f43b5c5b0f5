"""Pieces of HTML in which results show themselves in notebooks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


def heading(text: str) -> str:
    """A line in bold."""
    return f"<b>{html.escape(text)}</b>"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; the first column is aligned to the left."""
    head = "".join(f"<th>{html.escape(text)}</th>" for text in header)
    return f"<table><tr>{head}</tr>{''.join(map(_row, rows))}</table>"


def _row(texts: Sequence[str]) -> str:
    first, *others = map(html.escape, texts)
    return f"<tr><td style='text-align:left'>{first}</td>{''.join(f'<td>{text}</td>' for text in others)}</tr>"


def notes(lines: Iterable[str]) -> str:
    """Lines below each other."""
    return "".join(f"<div>{html.escape(line)}</div>" for line in lines)


def folded(title: str, text: str) -> str:
    """Text as it is printed, which a click unfolds."""
    return f"<details><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>"
