"""Measures of pyiqa: which way is better, and a sentence for what cannot be opened. The library is a stand-in."""

from __future__ import annotations

import sys
import urllib.error
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from fastnst.errors import ConfigError, DownloadError, MissingDependencyError
from fastnst.metrics.image_quality import open_image_quality
from fastnst.reference.second import Judges

CPU = torch.device("cpu")


def difference(picture: Tensor, photo: Tensor) -> Tensor:
    return (picture - photo).abs().mean()


def brightness(picture: Tensor) -> Tensor:
    if min(picture.shape[2:]) < 16:
        raise RuntimeError("Kernel size can't be greater than actual input size\nand so on")
    return picture.mean()


class StandIn(ModuleType):
    """As much of pyiqa as is used."""

    def __init__(self) -> None:
        super().__init__("pyiqa")
        self.opened: list[dict[str, Any]] = []

    def list_models(self) -> list[str]:
        return ["difference", "brightness", "fid", "learned", "odd"]

    def create_metric(self, name: str, device: torch.device, **own: Any) -> Any:
        self.opened.append({"name": name, **own})
        if name == "learned" and not own:
            raise urllib.error.URLError("no network")
        if name == "odd":
            raise RuntimeError("size mismatch for lin0\n…")
        measure, mode = (brightness, "NR") if name == "brightness" else (difference, "FR")

        class Metric:
            lower_better, metric_mode = mode == "FR", mode
            __call__ = staticmethod(measure)

        return Metric()


@pytest.fixture
def pyiqa(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "pyiqa", stand_in)
    return stand_in


def test_measures_say_which_way_is_better(pyiqa: StandIn) -> None:
    photo, picture = torch.full((1, 3, 20, 20), 0.25), torch.full((1, 3, 20, 20), 0.75)
    qualities = [open_image_quality(name, CPU) for name in ("difference", "brightness")]
    assert [(one.better, one.to_photo) for one in qualities] == [(-1, True), (1, False)]
    assert Judges(qualities=qualities).measure(picture, photo) == {"iqa_difference": 0.5, "iqa_brightness": 0.75}
    assert Judges().measure(picture, photo) == {}
    with pytest.raises(ConfigError, match=r"brightness cannot measure pictures of 9×8 pixels \(Kernel size.*size\)\."):
        qualities[1].measure(torch.zeros(1, 3, 8, 9), photo)


def test_a_local_file_takes_the_place_of_the_download(pyiqa: StandIn, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1)}, tmp_path / "learned.pth")
    assert open_image_quality(f"learned={tmp_path / 'learned.pth'}", CPU).name == "learned"
    assert pyiqa.opened == [{"name": "learned", "pretrained_model_path": str(tmp_path / "learned.pth")}]
    with pytest.raises(ConfigError, match="does not exist"):
        open_image_quality(f"learned={tmp_path / 'none.pth'}", CPU)
    (tmp_path / "words.pth").write_bytes(b"something else")
    with pytest.raises(ConfigError, match="cannot be read as weights"):
        open_image_quality(f"learned={tmp_path / 'words.pth'}", CPU)
    with pytest.raises(ConfigError, match=r"odd cannot be opened with .*learned.pth \(size mismatch for lin0\)"):
        open_image_quality(f"odd={tmp_path / 'learned.pth'}", CPU)


def test_what_cannot_be_had_is_told_with_the_way_out(pyiqa: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DownloadError, match=r"learned needs cannot be downloaded .*no network.*such as gmsd"):
        open_image_quality("learned", CPU)
    with pytest.raises(ConfigError, match=r"no measure 'diference'. Did you mean 'difference'"):
        open_image_quality("diference", CPU)
    with pytest.raises(ConfigError, match="measures sets of pictures"):
        open_image_quality("fid", CPU)
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(MissingDependencyError, match=r"fastnst\[iqa\]"):
        open_image_quality("difference", CPU)


@pytest.mark.slow
def test_the_real_library_measures_without_weights() -> None:
    pytest.importorskip("pyiqa")
    photo = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    for name, same in (("gmsd", 0.0), ("nlpd", 0.0), ("fsim", 1.0)):
        quality = open_image_quality(name, CPU)
        assert quality.measure(photo, photo) == pytest.approx(same, abs=1e-4)
        assert quality.to_photo
        assert quality.better * (quality.measure(1 - photo, photo) - same) < 0


def test_the_page_has_them(pyiqa: StandIn) -> None:
    from fastnst.reference.report import _meanings, _measure_table

    summary = {"iqa": {"<b>": {"better": 1, "to_photo": False}}}
    measures = {label: {"iqa_<b>": value} for label, value in (("photo", 9.0), ("network", 1.0), ("optimization", 2.0))}
    table = _measure_table(measures, _meanings(summary))
    assert "↑ &lt;b&gt;" in table
    assert "<td class=best>2" in table  # the photo itself does not count
