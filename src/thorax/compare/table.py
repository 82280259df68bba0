"""Tables that a command prints: columns for a terminal, or Markdown."""

from collections.abc import Sequence

from thorax.io import markdown_table

GAP = "  "


def table(head: list[str], rows: Sequence[list[str]], *, markdown: bool) -> str:
    """Cells under their heads; a column is as wide as its widest cell."""
    if markdown:
        return markdown_table(head, list(rows))
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = (
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *rows)
    )
    return "\n".join(line.rstrip() for line in lines)
