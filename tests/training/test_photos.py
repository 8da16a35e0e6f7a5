from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fastnst.errors import ConfigError, ImageError
from fastnst.images.decode import open_image
from fastnst.images.folders import find_images
from fastnst.sample import sample_photo, sample_photos
from fastnst.trainer.photo_tables import hub_table
from fastnst.trainer.photos import Crops, FolderSource, SampleNumbers, random_crop
from fastnst.training import data as data_module
from fastnst.training.data import CentreCrops, PhotoData


@pytest.fixture
def folder(tmp_path: Path, photo: Image.Image) -> Path:
    for number in range(5):
        photo.crop((20 * number, 0, 20 * number + 140, 100)).save(tmp_path / f"{number}.jpg")
    return tmp_path


def test_a_sample_is_a_function_of_its_number(folder: Path) -> None:
    one, other = (Crops(FolderSource(folder), 64, seed=3) for _ in range(2))
    in_order = [one[number] for number in range(12)]
    backwards = {number: other[number] for number in reversed(range(12))}
    for number, crop in enumerate(in_order):
        assert crop.shape == (3, 64, 64)
        assert crop.dtype == torch.uint8
        assert torch.equal(crop, backwards[number])
    assert not torch.equal(Crops(FolderSource(folder), 64, seed=4)[0], in_order[0])


def test_every_photo_comes_once_before_any_comes_again(folder: Path) -> None:
    crops = Crops(FolderSource(folder), 64, seed=0)
    for epoch in range(3):
        assert sorted(crops.draws.photo(5 * epoch + position) for position in range(5)) == list(range(5))


def test_the_sample_photos_are_kept_in_memory(folder: Path) -> None:
    assert PhotoData("sample").cache == "memory"
    assert PhotoData("sample", cache="device").cache == "device"
    assert PhotoData(str(folder)).cache == "none"  # there may be many


def test_the_sample_photos_are_measured_on_one_that_none_of_them_is() -> None:
    """It is the photo that the quick start shows at its end."""
    data = PhotoData("sample", image_size=64)
    data.setup("fit")
    held_out = CentreCrops(FolderSource(sample_photo()), 64, 8)
    assert len(data.val_dataset) == len(held_out) == 1
    assert torch.equal(data.val_dataset[0], held_out[0])
    everything = [open_image(path) for path in find_images([sample_photos()])]
    assert len(everything) == 8
    assert not any(photo.tobytes() == open_image(sample_photo()).tobytes() for photo in everything)


def test_what_was_learned_from_is_told_but_no_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def described(photos: str) -> str:
        data = PhotoData(photos, image_size=64)
        data.setup("fit")
        return data.description

    assert described(str(folder)) == "4 photos"  # one is held out
    assert described("sample") == "8 photos that ship with fastnst"
    monkeypatch.setattr(data_module, "open_source", lambda *_: FolderSource(folder))
    assert described("somebody/photographs") == "4 photos of somebody/photographs"


def test_ranks_share_the_samples() -> None:
    numbers = [iter(SampleNumbers(8, rank, 2)) for rank in range(2)]
    assert [next(stream) for _ in range(3) for stream in numbers] == [8, 9, 10, 11, 12, 13]


def test_unreadable_photos_are_skipped_and_counted(folder: Path) -> None:
    (folder / "broken.jpg").write_text("no picture")
    Image.new("RGB", (10, 10)).save(folder / "tiny.png")
    crops = Crops(FolderSource(folder), 64, seed=0)
    for number in range(7):
        crops[number]
    assert crops.skipped >= 2


def test_only_broken_photos_end_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no picture")
    with pytest.raises(ImageError, match="photos in a row cannot be read"):
        Crops(FolderSource(tmp_path), 64, seed=0)[0]


def test_crops_show_most_of_a_large_photo(photo: Image.Image) -> None:
    """A crop is taken after scaling the short side to at most 1.5 crops, not out of the full resolution."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        assert random_crop(photo.resize((2000, 1500)), 64, generator).float().std() > 20


def parquet(folder: Path, *, column: str = "image") -> Path:
    from datasets import Dataset, Features
    from datasets import Image as ImageFeature

    rows = [{"bytes": path.read_bytes(), "path": None} for path in sorted(folder.glob("*.jpg"))]
    path = folder / "photos.parquet"
    Dataset.from_dict({column: rows}, features=Features({column: ImageFeature(decode=False)})).to_parquet(path)
    return path


def test_parquet_gives_the_same_photos_as_the_folder(folder: Path) -> None:
    path = parquet(folder)
    for location in (str(path), str(path.parent)):
        data = PhotoData(location, image_size=64, batch_size=2, workers=0)
        data.setup("fit")
        batch = next(iter(data.train_dataloader()))
        assert batch.shape == (2, 3, 64, 64)
        assert batch.float().std() > 20


def photos_of(location: Path, **options: object) -> PhotoData:
    data = PhotoData(str(location), image_size=64, workers=0, **options)  # type: ignore[arg-type]
    data.setup("fit")
    return data


def test_a_column_of_another_name_is_found_by_its_type(folder: Path) -> None:
    assert len(photos_of(parquet(folder, column="photo"))._crops.source) == 4
    with pytest.raises(ConfigError, match="no column 'picture'; the columns are photo"):
        photos_of(folder / "photos.parquet", image_column="picture")


def test_plain_bytes_in_a_column_are_pictures(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet as files

    content = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    files.write_table(pa.table({"label": list(range(5)), "encoded": content}), folder / "bytes.parquet")
    assert len(photos_of(folder / "bytes.parquet")._crops.source) == 4
    files.write_table(pa.table({"label": [1, 2]}), folder / "labels.parquet")
    with pytest.raises(ConfigError, match=r"no column holds pictures; the columns are label.*--data.image_column"):
        photos_of(folder / "labels.parquet")
    files.write_table(pa.table({"one": content, "other": content}), folder / "two.parquet")
    with pytest.raises(ConfigError, match=r"several columns hold pictures: .* one, other"):
        photos_of(folder / "two.parquet")
    assert len(photos_of(folder / "two.parquet", image_column="other")._crops.source) == 4


def test_folders_that_datasets_saved(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from datasets import Dataset, DatasetDict, load_dataset

    table: Dataset = load_dataset("parquet", data_files=[str(parquet(folder))], split="train")
    saved = tmp_path_factory.mktemp("saved")
    table.save_to_disk(saved / "one")
    DatasetDict({"train": table, "test": table.select(range(2))}).save_to_disk(saved / "splits")
    assert len(photos_of(saved / "one")._crops.source) == 4
    assert len(photos_of(saved / "splits")._crops.source) == 4
    assert len(photos_of(saved / "splits", split="test")._crops.source) == 1
    with pytest.raises(ConfigError, match=r"no split 'dev': pass --data.split with one of train, test"):
        photos_of(saved / "splits", split="dev")


def test_a_picture_folder_with_a_table_of_descriptions(folder: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet as files

    names = [path.name for path in sorted(folder.glob("*.jpg"))]
    files.write_table(pa.table({"file_name": names, "text": names}), folder / "metadata.parquet")
    assert isinstance(photos_of(folder)._crops.source.source, FolderSource)


def test_linked_folders_are_followed_once(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    links = tmp_path_factory.mktemp("links")
    (links / "photos").symlink_to(folder)
    (links / "again").symlink_to(links)
    assert len(FolderSource(links)) == 5


def test_a_damaged_table_is_one_sentence(folder: Path) -> None:
    whole = parquet(folder).read_bytes()
    (folder / "photos.parquet").write_bytes(whole[: len(whole) // 2])
    for location in (folder, folder / "photos.parquet"):
        with pytest.raises(ConfigError, match=r"photos\.parquet cannot be read as a dataset"):
            photos_of(location)


def test_held_out_photos_are_not_trained_on(folder: Path) -> None:
    data = PhotoData(str(folder), image_size=64)
    data.setup("fit")
    assert len(data._crops.source) == 4
    assert len(data.val_dataset) == 1


def test_an_unreachable_hub_names_the_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(ConfigError, match=r"'detection-datasets/coco' .*cannot be loaded.*--photos a folder"):
        hub_table("detection-datasets/coco", "train", streaming=False)
