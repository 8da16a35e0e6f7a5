"""Kept photos: the windows of `Crops`, from bytes that were decoded once."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from fastnst.errors import ConfigError, ImageError
from fastnst.trainer import kept_photos
from fastnst.trainer.kept_photos import KeptBatches, KeptCrops, as_bytes, cut, keep_photos, kept_crops
from fastnst.trainer.photos import Crops, CropWindow, FolderSource, SampleNumbers
from fastnst.training.data import PhotoData

CPU = torch.device("cpu")
SIZE = 64


@pytest.fixture
def folder(tmp_path: Path, photo: Image.Image) -> Path:
    """Parts of a real photo: larger than any crop needs, between, smaller than a crop."""
    for number, (width, height) in enumerate([(500, 400), (300, 310), (120, 90), (80, 90), (70, 50), (200, 66)]):
        photo.crop((0, 0, width, height)).save(tmp_path / f"{number}.png")
    return tmp_path


def differences(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of each picture of two batches, in levels."""
    return (one.float() - other.float()).abs().mean((1, 2, 3))


def test_samples_show_the_windows_of_crops(folder: Path) -> None:
    source, numbers = FolderSource(folder), list(range(40))
    kept = kept_crops(source, SIZE, 3, CPU).batch(numbers)
    crops = Crops(source, SIZE, 3)
    wanted = torch.stack([crops[number] for number in numbers])
    assert kept.shape == (40, 3, SIZE, SIZE)
    assert kept.dtype == torch.uint8
    found = differences(kept, wanted)
    assert found.mean() < 1.5
    assert found.max() < 4  # of the photo that is reduced twice
    # So near is the same window only, not the one a pixel to the side.
    assert (differences(kept, wanted.roll(1, 3)) > 3 * found).all()


def test_a_larger_photo_is_as_near_to_pillow(photo: Image.Image, tmp_path: Path) -> None:
    """Crops of 256 pixels, as trainings use them, of a photo that is reduced before it is kept."""
    photo.resize((640, 750), Image.Resampling.LANCZOS).save(tmp_path / "0.png", compress_level=1)
    source = FolderSource(tmp_path)
    crops = Crops(source, 256, 0)
    kept = kept_crops(source, 256, 0, CPU)
    assert min(kept.photos[0].pixels.shape[1:]) == 384
    wanted = torch.stack([crops[number] for number in range(4)])
    assert differences(kept.batch(range(4)), wanted).max() < 2


def test_float_resizing_is_that_of_bytes(folder: Path) -> None:
    """Devices other than the CPU resize float32 `[3, h, w]`, whose channels lie apart."""
    kept, generator = kept_crops(FolderSource(folder), SIZE, 3, CPU), np.random.default_rng(0)
    for photo in kept.photos:
        window = CropWindow.draw(photo.size, SIZE, generator)
        floats = cut(photo.pixels.to(torch.float32, memory_format=torch.contiguous_format), window)
        assert floats.dtype == torch.float32
        assert differences(as_bytes(floats[None]), cut(photo.pixels, window)[None]).max() < 0.5


def test_overshoot_at_edges_is_clamped() -> None:
    assert as_bytes(torch.tensor([-3.2, 0.4, 99.6, 261.0])).tolist() == [0, 0, 100, 255]


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_crops_on_a_gpu(folder: Path) -> None:
    """Photos on the GPU and in main memory give the same crops there, those of the CPU but for rounding."""
    source, gpu = FolderSource(folder), torch.device("cuda")
    on_device = kept_crops(source, SIZE, 3, gpu)
    assert on_device.photos[0].pixels.device.type == "cuda"
    in_memory = KeptCrops(keep_photos(source, SIZE, "memory", gpu), SIZE, 3, gpu)
    assert in_memory.photos[0].pixels.device.type == "cpu"
    on_device.batch(range(3))  # cuDNN and the allocators have started
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [crops.batch(range(20)) for crops in (on_device, in_memory)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert batches[0].device.type == "cuda"
    assert torch.equal(*batches)
    expected = kept_crops(source, SIZE, 3, CPU).batch(range(20))
    assert differences(batches[0].cpu(), expected).max() < 0.5


def test_photos_are_kept_no_larger_than_crops_need(folder: Path) -> None:
    photos = keep_photos(FolderSource(folder), SIZE, "memory", CPU)
    shapes = [tuple(photo.pixels.shape) for photo in photos]
    assert shapes == [(3, 96, 120), (3, 99, 96), (3, 90, 120), (3, 90, 80), (3, 50, 70), (3, 66, 200)]
    assert photos[0].size == (500, 400)
    assert len({photo.pixels.untyped_storage().data_ptr() for photo in photos}) == 1


def test_an_interrupted_run_goes_on_with_the_same_batches(folder: Path) -> None:
    crops = kept_crops(FolderSource(folder), SIZE, 0, CPU)
    whole = list(islice(KeptBatches(crops, 4, SampleNumbers(0)), 6))
    resumed = list(islice(KeptBatches(kept_crops(FolderSource(folder), SIZE, 0, CPU), 4, SampleNumbers(16)), 2))
    assert all(torch.equal(*pair) for pair in zip(whole[4:], resumed, strict=True))
    assert not torch.equal(*resumed)


def test_two_ranks_share_the_samples(folder: Path) -> None:
    crops = kept_crops(FolderSource(folder), SIZE, 0, CPU)
    ranks = [next(iter(KeptBatches(crops, 4, SampleNumbers(8, rank, 2)))) for rank in range(2)]
    together = torch.stack(ranks, 1).flatten(0, 1)
    assert torch.equal(together, crops.batch(range(8, 16)))


def test_unreadable_and_tiny_photos_are_skipped_as_by_crops(folder: Path) -> None:
    (folder / "broken.jpg").write_text("no picture")
    Image.new("RGB", (10, 10)).save(folder / "tiny.png")
    source = FolderSource(folder)
    kept, crops = kept_crops(source, SIZE, 0, CPU), Crops(source, SIZE, 0)
    batch = kept.batch(range(24))
    wanted = torch.stack([crops[number] for number in range(24)])
    assert differences(batch, wanted).max() < 4
    assert kept.skipped == crops.skipped >= 6


def test_only_broken_photos_end_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no picture")
    with pytest.raises(ImageError, match="photos in a row cannot be read"):
        kept_crops(FolderSource(tmp_path), SIZE, 0, CPU).batch([0])


def limited(monkeypatch: pytest.MonkeyPatch, **free: int) -> None:
    monkeypatch.setattr(kept_photos, "available_bytes", lambda device: free[device.type])


@pytest.mark.parametrize(
    ("cuda", "cpu", "found", "lines"),
    [
        (10**9, 0, "cuda", []),
        (250_000, 10**9, "cpu", ["on the GPU may be used for them: they are kept in main memory instead"]),
        (250_000, 250_000, None, ["kept in main memory instead", "they are decoded anew for each crop"]),
    ],
)
def test_what_has_no_room_is_kept_in_the_next_slower_way(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    cuda: int,
    cpu: int,
    found: str | None,
    lines: list[str],
) -> None:
    limited(monkeypatch, cuda=cuda, cpu=cpu)
    place = kept_photos._place_with_room(200_000, "device", torch.device("cuda"), 1)
    assert (place and place.type) == found
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == len(lines)
    assert all(line in one for line, one in zip(lines, told, strict=True))


def test_processes_of_one_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, cpu=1000)
    assert kept_photos._place_with_room(500, "memory", CPU, 1) is not None
    assert kept_photos._place_with_room(500, "memory", CPU, 2) is None


def test_without_room_the_windows_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = FolderSource(folder)
    expected = kept_crops(source, SIZE, 0, CPU).batch(range(8))
    limited(monkeypatch, cpu=20_000)
    crops = kept_crops(source, SIZE, 0, CPU)
    assert not isinstance(crops.photos, list)
    assert torch.equal(crops.batch(range(8)), expected)


def test_the_estimate_is_made_before_all_photos_are_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Source(FolderSource):
        opened = 0

        def open(self, index: int) -> Image.Image:
            type(self).opened += 1
            return super().open(index)

    limited(monkeypatch, cpu=20_000)
    monkeypatch.setattr(kept_photos, "_BLOCK", 2)
    monkeypatch.setattr(kept_photos, "usable_cores", lambda: 1)
    source = Source(folder)
    source.paths = source.paths * 50
    assert keep_photos(source, SIZE, "memory", CPU) is None
    assert Source.opened < 100


def test_decoding_tells_how_far_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_photos, "_BLOCK", 2)
    monkeypatch.setattr(kept_photos, "_SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO, "fastnst"):
        keep_photos(FolderSource(folder), SIZE, "memory", CPU)
    assert [record.getMessage().split(",")[0] for record in caplog.records[:-1]] == [
        "photos decoded: 2 of 6",
        "photos decoded: 4 of 6",
    ]
    assert "6 photos decoded" in caplog.records[-1].getMessage()


def data_of(folder: Path, **options: object) -> PhotoData:
    data = PhotoData(str(folder), image_size=SIZE, batch_size=2, workers=0, **options)  # type: ignore[arg-type]
    data.setup("fit")
    return data


def test_the_same_windows_in_a_training_with_and_without(folder: Path) -> None:
    plain, kept = data_of(folder), data_of(folder, cache="memory")
    batches = [list(islice(data.train_dataloader(), 5)) for data in (plain, kept)]
    assert isinstance(kept.train_dataloader(), KeptBatches)
    assert all(differences(*pair).max() < 4 for pair in zip(*batches, strict=True))


def test_mattes_are_kept_with_their_photos(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    mattes = tmp_path_factory.mktemp("mattes")
    for path in folder.glob("*.png"):
        with Image.open(path) as picture:
            Image.linear_gradient("L").resize(picture.size).save(mattes / path.name)
    plain, kept = (data_of(folder, mattes=str(mattes), cache=cache) for cache in ("none", "memory"))
    for one, other in islice(zip(plain.train_dataloader(), kept.train_dataloader(), strict=False), 5):
        assert other.shape == (2, 4, SIZE, SIZE)
        assert differences(one, other).max() < 4


def test_without_room_a_training_reads_as_it_does_without_a_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, cpu=20_000)
    loaders = [data_of(folder, cache=cache).train_dataloader() for cache in ("memory", "none")]
    assert torch.equal(*(next(iter(loader)) for loader in loaders))


def test_what_cannot_be_kept_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match="cache must be one of none, memory, device, not disk"):
        PhotoData(str(folder), cache="disk")
    with pytest.raises(ConfigError, match=r"streamed cannot be kept: leave out data\.streaming or cache: memory"):
        PhotoData(str(folder), streaming=True, cache="memory")
    shards = folder / "photos.tar"
    shards.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"photos\.tar is streamed and cannot be kept: leave out cache: device"):
        PhotoData(str(shards), val_photos=str(folder), cache="device").setup("fit")


class Watcher(pl.LightningModule):
    """Remembers the batches that a trainer gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.batches: list[torch.Tensor] = []

    def training_step(self, batch: torch.Tensor, _index: int) -> torch.Tensor:
        self.batches.append(batch.clone())
        return self.weight * batch.float().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(data: PhotoData, steps: int, folder: Path, checkpoint: Path | None = None) -> tuple[Watcher, pl.Trainer]:
    watcher = Watcher()
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=-1, max_steps=steps, limit_val_batches=0, default_root_dir=folder,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(watcher, data, ckpt_path=checkpoint, weights_only=False)
    return watcher, trainer


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")  # Lightning's own
def test_a_trainer_takes_the_batches_and_resumes_exactly(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    runs = tmp_path_factory.mktemp("runs")
    whole, _ = fit(data_of(folder, cache="device"), 5, runs)
    begun, trainer = fit(data_of(folder, cache="device"), 3, runs)
    trainer.save_checkpoint(runs / "at3.ckpt")
    resumed, _ = fit(data_of(folder, cache="memory"), 5, runs, runs / "at3.ckpt")
    assert len(whole.batches) == 5
    for one, other in zip(whole.batches, [*begun.batches, *resumed.batches], strict=True):
        assert torch.equal(one, other)
