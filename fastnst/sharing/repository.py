"""The files of a style's repository on the hub: card, model, weights, description, sample."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from fastnst.contact_sheet import contact_sheet
from fastnst.hub import HubAddress
from fastnst.hub.client import STYLE_FILE
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.runtime.models.metadata import FORMAT_VERSION, StyleMetadata
from fastnst.runtime.stylizer import Stylizer
from fastnst.start.shipped import STARTS

WEIGHTS_FILE, CONFIG_FILE, SAMPLE_FILE, CARD_FILE = "style.safetensors", "config.json", "sample.jpg", "README.md"
_SAMPLE_SIZE = 480  # pixels of each of the sample's two pictures
_DATASET = re.compile(r"\b([\w.-]+/[\w.-]+)\b")


@dataclass(frozen=True)
class RepositoryFiles:
    """The content of the repository.

    Attributes:
        model: the style model file.
        weights: the network's .safetensors; None leaves it out.
        card: the card's Markdown, without the hub's header.
        photo: the sample's photo.
        base_model: the style that this one grew out of, as the hub should link it; None takes the file's own word.
    """

    model: Path
    weights: Path | None
    card: str
    photo: Path
    base_model: str | None = None


def write_repository(files: RepositoryFiles, address: HubAddress, folder: Path) -> list[Path]:
    """Write the repository's files into `folder`, which exists, and return them.

    Raises `ModelError` if the model file does not keep the contract, `ImageError` for the sample's photo.
    """
    stylizer = Stylizer(files.model)
    shutil.copyfile(files.model, folder / STYLE_FILE)
    if files.weights is not None:
        shutil.copyfile(files.weights, folder / WEIGHTS_FILE)
    description = {"format_version": FORMAT_VERSION, **asdict(stylizer.metadata)}
    (folder / CONFIG_FILE).write_text(json.dumps(description, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    photo = open_image(files.photo, max_size=_SAMPLE_SIZE)
    sheet = contact_sheet([[(photo, "photo"), (stylizer(photo), stylizer.metadata.name)]], cell=_SAMPLE_SIZE)
    save_image(sheet, folder / SAMPLE_FILE, quality=90, overwrite=True)
    header = yaml.safe_dump(
        hub_header(stylizer.metadata, address, files.base_model), sort_keys=False, allow_unicode=True
    )
    text = f"---\n{header}---\n\n{files.card.strip()}\n\n![photo and result]({SAMPLE_FILE})\n"
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    return sorted(folder.iterdir())


def hub_header(metadata: StyleMetadata, address: HubAddress, base_model: str | None = None) -> dict[str, Any]:
    """The card's header as the hub reads it (its "model card metadata")."""
    tags = ["neural-style-transfer", "style-transfer", "onnx", "real-time"]
    if metadata.movement:
        tags.append(re.sub(r"[^a-z0-9]+", "-", metadata.movement.lower()).strip("-"))
    header: dict[str, Any] = {
        "license": "mit",  # of the weights; the painting's own stands in the card
        "library_name": "fastnst",
        "pipeline_tag": "image-to-image",
        "tags": tags,
    }
    grown_from = base_model or metadata.started_from
    if grown_from and grown_from not in STARTS:
        header["base_model"] = grown_from
    datasets = _DATASET.findall(metadata.data)
    if datasets:
        header["datasets"] = datasets
    if metadata.lbfgs_equivalent is not None:
        metric = {
            "type": "n_eq",
            "name": "L-BFGS iterations with the same objective (N_eq)",
            "value": float(metadata.lbfgs_equivalent),
        }
        result = {
            "task": {"type": "image-to-image", "name": "Neural style transfer"},
            "dataset": {"name": "held-out photos", "type": "held-out-photos"},
            "metrics": [metric],
        }
        header["model-index"] = [{"name": address.name, "results": [result]}]
    return header
