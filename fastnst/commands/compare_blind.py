"""`fastnst compare A.onnx --blind B.onnx reference`: a page for one's own eyes."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from fastnst.commands.compare_request import Request
from fastnst.errors import ConfigError
from fastnst.hardware import float32_products
from fastnst.images.arrays import to_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.resize import resize_long_side
from fastnst.output_files import check_output, write_atomically
from fastnst.progress import progress
from fastnst.reference.blind import BlindPhoto, blind_page
from fastnst.reference.config import device_of, prepare_trained
from fastnst.reference.curves import descend
from fastnst.reference.inputs import photo_list
from fastnst.reference.optimize import OptimizeConfig, Step, terms_in_words
from fastnst.runtime.stylizer import Stylizer
from fastnst.standard_streams import print_result

REFERENCE = "reference"


def main(request: Request, others: list[str], output: Path, *, overwrite: bool) -> int:
    """Write the page. Raises `ConfigError` for fewer than two things to compare, or two of one name."""
    models = [request.model, *(name for name in others if name != REFERENCE)]
    has_reference = REFERENCE in others
    if len(models) + has_reference < 2:
        raise ConfigError("a blind comparison needs two: name another model after --blind, or reference.")
    page = output / "blind.html"
    check_output(page, overwrite=overwrite)
    stylizers = {name: Stylizer(name, request.provider) for name in dict.fromkeys(models)}
    if len(stylizers) < len(models):
        raise ConfigError("a model stands twice in the blind comparison: name each once.")
    photos = photo_list(request.photos, request.count, request.sizes[0])
    made: list[dict[str, Image.Image]] = [{} for _ in photos]
    for name, stylizer in stylizers.items():
        for pictures, (_, photo) in zip(made, photos, strict=True):
            pictures[Path(name).stem if Path(name).suffix else name] = stylizer(photo)
    if has_reference:
        for pictures, (_, photo) in zip(made, _optimized(request, photos, stylizers[request.model]), strict=True):
            pictures[f"{REFERENCE}, {request.steps} iterations"] = photo
    shown = [BlindPhoto(name, photo, pictures) for (name, photo), pictures in zip(photos, made, strict=True)]
    if len(shown[0].pictures) < len(models) + has_reference:
        raise ConfigError("two models have one name: rename one of the files.")
    title = stylizers[request.model].metadata.title or stylizers[request.model].metadata.name
    painting = resize_long_side(open_image(request.painting[0]), 400)
    with write_atomically(page, overwrite=overwrite) as partial:
        partial.write_text(blind_page(f"{title}: which is better?", shown, painting), encoding="utf-8")
    count = len(shown[0].pictures)
    print_result(f"{page}: {len(shown) * count * (count - 1) // 2} pairs; open it in a browser\n")
    return 0


def _optimized(
    request: Request, photos: list[tuple[str, Image.Image]], stylizer: Stylizer
) -> list[tuple[str, Image.Image]]:
    """The optimization of the first model's objective, L-BFGS from the photo."""
    objective = prepare_trained(request.settings(stylizer.metadata), request.painting)
    device = device_of(objective)
    config = OptimizeConfig(steps=request.steps, projected=True)
    made = []
    with float32_products(tf32=request.precision == "tf32"), progress("optimizing", request.steps * len(photos)) as bar:

        def watch(step: Step, _image: torch.Tensor) -> None:
            bar.advance(text=terms_in_words(step))

        for name, photo in photos:
            tensor = torch.from_numpy(to_unit_floats(photo))[None].to(device)
            made.append((name, descend(tensor, objective, config, watcher=watch).best))
    return made
