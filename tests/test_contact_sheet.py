from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from fastnst.contact_sheet import check_rows, contact_sheet
from fastnst.errors import ConfigError


def test_a_contact_sheet_holds_every_picture() -> None:
    red, blue = Image.new("RGB", (40, 20), "red"), Image.new("RGB", (20, 40), "blue")
    sheet = contact_sheet(
        [[(red, "red"), (None, "nothing"), (blue, "a caption that is far too long for its cell")]], cell=64
    )
    colours = {colour for _, colour in sheet.getcolors(1 << 20) or []}
    assert {(255, 0, 0), (0, 0, 255), (255, 255, 255)} <= colours
    assert sheet.width > 3 * 64


def test_more_rows_than_a_file_can_hold_are_refused_before(tmp_path: Path) -> None:
    check_rows(150)
    with pytest.raises(ConfigError, match="at most 150 photos, not 10,000"):
        check_rows(10_000)
