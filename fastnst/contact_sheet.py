"""Contact sheets: captioned pictures side by side, for demos, previews and reports."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from fastnst.errors import ConfigError

Cell = tuple[Image.Image | None, str]
_MAX_ROWS = 150  # of 320 pixels and a caption: a JPEG has at most 65,500


def check_rows(rows: int) -> None:
    """Raise `ConfigError` for more rows than one picture file can hold."""
    if rows > _MAX_ROWS:
        raise ConfigError(f"a sheet holds at most {_MAX_ROWS} photos, not {rows:,}: leave --sheet out, or name fewer.")


def contact_sheet(rows: Sequence[Sequence[Cell]], *, cell: int = 320, title: str | None = None) -> Image.Image:
    """Captioned pictures in a grid on white.

    Args:
        rows: for each row its (picture, caption) pairs; None leaves a gap.
        cell: width and greatest height of a picture in pixels; pictures keep their aspect.
        title: a line above everything.
    """
    margin, caption_height = max(8, cell // 24), max(18, cell // 12)
    font = ImageFont.load_default(size=max(11, caption_height * 0.6))
    heights = [max((_fit(image, cell).height for image, _ in row if image), default=0) for row in rows]
    columns = max(len(row) for row in rows)
    top = margin + (caption_height + margin if title else 0)
    width = margin + columns * (cell + margin)
    height = top + sum(extent + caption_height + margin for extent in heights)
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((width / 2, margin + caption_height / 2), title, fill="black", font=font, anchor="mm")
    y = top
    for row, extent in zip(rows, heights, strict=True):
        for column, (image, caption) in enumerate(row):
            x = margin + column * (cell + margin)
            if image:
                fitted = _fit(image, cell)
                sheet.paste(fitted, (x + (cell - fitted.width) // 2, y + (extent - fitted.height) // 2))
            text = _shorten(caption, cell, font)
            draw.text((x + cell / 2, y + extent + caption_height / 2), text, fill="#333", font=font, anchor="mm")
        y += extent + caption_height + margin
    return sheet


def in_rows(cells: Sequence[Cell], max_columns: int = 4) -> list[Sequence[Cell]]:
    """Cells of one kind in rows of nearly a square, at most `most` a row, so that the sheet fits a screen."""
    columns = min(max_columns, math.ceil(math.sqrt(len(cells))))
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


def _fit(image: Image.Image, cell: int) -> Image.Image:
    factor = min(cell / image.width, cell / image.height)
    return image.convert("RGB").resize(
        (math.ceil(image.width * factor), math.ceil(image.height * factor)), Image.Resampling.LANCZOS
    )


def _shorten(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
