from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from fastnst.images.decode import open_picture
from fastnst.images.lab import CIELAB, ICCLAB, lab_levels
from tests.conftest import gradient

PIXELS = gradient(20, 30)
# L* of 0 … 255, a* and b* from 128 on: what LittleCMS makes of the picture.
STORED = np.dstack(
    [
        np.asarray(band)
        for band in ImageCms.profileToProfile(
            Image.fromarray(PIXELS), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        ).split()
    ]
).astype(float)
LIGHT, OPPONENTS = STORED[..., :1] / 2.55, STORED[..., 1:] - 128
KINDS: dict[str, tuple[NDArray[Any], int]] = {
    "8 bits": (np.dstack((LIGHT * 2.55, OPPONENTS % 256)).round().astype(np.uint8), CIELAB),
    "16 bits": (np.dstack((LIGHT * 655.35, OPPONENTS * 256 % 65536)).round().astype(np.uint16), CIELAB),
    "16 bits, called signed": (
        np.dstack((LIGHT * 655.35, OPPONENTS * 256 % 65536)).round().astype(np.uint16).view(np.int16),
        CIELAB,
    ),
    "ICC, 8 bits": (STORED.astype(np.uint8), ICCLAB),
    "ICC, 16 bits": (np.dstack((LIGHT * 652.8, STORED[..., 1:] * 256)).round().astype(np.uint16), ICCLAB),
    "floats": (np.dstack((LIGHT, OPPONENTS)).astype(np.float32), CIELAB),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_encoding_shows_the_same_colours(kind: str) -> None:
    found = lab_levels(*KINDS[kind]).astype(int)
    assert np.abs(found - PIXELS).mean() < 2
    assert np.abs(found - lab_levels(*KINDS["8 bits"])).max() <= 1


@pytest.mark.parametrize("veiled", [False, True])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "ICC, 16 bits"])
def test_files_with_planes_and_transparency(tmp_path: Path, kind: str, planar: bool, veiled: bool) -> None:
    values, photometric = KINDS[kind]
    options: dict[str, Any] = {"photometric": photometric, "planarconfig": "separate" if planar else "contig"}
    if veiled:
        veil = np.full(values.shape[:2], np.iinfo(values.dtype).max // 2 + 1, values.dtype)
        values, options["extrasamples"] = np.dstack((values, veil)), ["unassalpha"]
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(values, -1, 0) if planar else values, metadata=None, **options)
    picture = open_picture(tmp_path / "a.tif")
    assert np.abs(np.asarray(picture.rgb).astype(int) - PIXELS).mean() < 2
    assert (picture.alpha is not None) == veiled
    assert picture.metadata.notes == (("16 bits a channel",) if values.dtype == np.uint16 else ())
