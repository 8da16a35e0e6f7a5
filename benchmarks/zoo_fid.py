"""FID and ArtFID of a whole zoo: every style restyles every photo, and the results stand beside the paintings.

    python benchmarks/zoo_fid.py starry_night=PAINTING the_kiss=PAINTING … --photos VAL --count 20 -o zoo/

Both figures compare distributions, so they are of all styles together and mean nothing for one picture: 50 results are
the least here, and papers take 800 by 40 paintings. With few paintings FID is large for whatever stands beside them;
compare zoos with the same photos, paintings and size only. LPIPS is to the photos, with AlexNet, as in ArtFID.

What is downloaded can be given as local files: --fid-weights, --lpips-weights (AlexNet's of torchvision). ArtFID is
defined with an Inception trained on art, whose publisher gives no checksum: it is measured with --art-fid-weights FILE.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from command_line import run_command
from fastnst.errors import ConfigError, DownloadError
from fastnst.hardware import default_device, describe_hardware, float32_products
from fastnst.metrics.feature_distances import lpips
from fastnst.metrics.frechet import MIN_PICTURES, art_fid, frechet_distance
from fastnst.metrics.inception import ART_WEIGHTS, open_art_inception, open_inception
from fastnst.output_files import check_output, write_atomically
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.progress import track
from fastnst.reference.inputs import open_tensor, photo_list
from fastnst.reference.refine import as_tensor
from fastnst.runtime import Stylizer
from fastnst.standard_streams import print_result
from peer_objective import named_files


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("styles", nargs="+", metavar="STYLE=PAINTING", help="a style or style file, and its painting")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=20, help="photos (default: 20)")
    parser.add_argument("--size", type=int, default=512, help="long side of photos and paintings (default: 512)")
    parser.add_argument("--provider", default="auto", help="of the styles, as for stylize")
    parser.add_argument("--fid-weights", metavar="FILE", help="FID's Inception")
    parser.add_argument("--art-fid-weights", metavar="FILE", help=f"ArtFID's Inception: {ART_WEIGHTS}")
    parser.add_argument("--lpips-weights", metavar="FILE", help="torchvision's AlexNet")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write zoo.md and zoo.json."""
    options = build_parser().parse_args(argv)
    files = [options.output / name for name in ("zoo.md", "zoo.json")]
    for path in files:
        check_output(path, overwrite=options.overwrite)
    with float32_products(tf32=False), torch.no_grad():
        figures = measure(options)
    for path, text in zip(files, (markdown(figures), json.dumps(figures, indent=2) + "\n"), strict=True):
        with write_atomically(path, overwrite=options.overwrite) as partial:
            partial.write_text(text, encoding="utf-8")
    print_result(markdown(figures))
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures. Raises `FastNSTError` for too few pictures, and for weights that cannot be had."""
    device = default_device()
    paintings = named_files(options.styles)
    photos = [photo for _, photo in photo_list(options.photos, options.count, options.size)]
    results = len(photos) * len(paintings)
    if results < MIN_PICTURES or len(paintings) < 2:
        raise ConfigError(
            f"{results} results of {len(paintings)} styles are too few for FID: at least {MIN_PICTURES} of two."
        )
    inception = open_inception(options.fid_weights).to(device)
    art = open_art_inception(options.art_fid_weights).to(device) if options.art_fid_weights else None
    alexnet = _alexnet(options.lpips_weights).to(device)
    styles = [Stylizer(name, options.provider) for name in paintings]
    originals = [as_tensor(np.asarray(photo)).to(device) for photo in photos]
    distances: list[float] = []

    def restyled() -> Iterator[tuple[Tensor, Tensor]]:
        for style in styles:
            for photo, original in zip(photos, originals, strict=True):
                yield as_tensor(np.asarray(style(photo))).to(device), original

    made = list(track(restyled(), "restyling", results))
    for picture, original in track(made, "LPIPS"):
        distances.append(lpips(alexnet, picture, original))
    beside = [open_tensor(path, options.size).to(device) for path in paintings.values()]
    pictures = [picture for picture, _ in made]
    figures = {
        "styles": list(paintings),
        "photos": len(photos),
        "size": options.size,
        "results": results,
        "device": describe_hardware(device),
        "lpips": float(np.mean(distances)),
        "fid": frechet_distance(inception, track(pictures, "FID"), beside),
        "fid_of_the_photos": frechet_distance(inception, originals, beside),
    }
    if art is not None:
        figures["art_inception_fid"] = frechet_distance(art, track(pictures, "ArtFID"), beside)
        figures["art_fid"] = art_fid(figures["lpips"], figures["art_inception_fid"])
    return figures


def markdown(figures: dict[str, Any]) -> str:
    """The figures as a table."""
    rows = [
        ("LPIPS to the photos, mean", "lpips"),
        ("FID to the paintings", "fid"),
        ("... of the photos themselves", "fid_of_the_photos"),
        ("FID with ArtFID's network", "art_inception_fid"),
        ("ArtFID", "art_fid"),
    ]
    head = (
        f"{len(figures['styles'])} styles, {figures['photos']} photos of {figures['size']} px, {figures['results']}"
        f" results; {figures['device']}"
    )
    lines = [f"| {label} | {figures[key]:.4g} |" for label, key in rows if key in figures]
    return "\n".join([head, "", "| figure, lower is better | |", "|---|---|", *lines, ""])


def _alexnet(weights_file: str | None) -> Any:
    try:
        return build_perceptual(PerceptualConfig("alexnet", "imagenet", weights_file))
    except DownloadError as error:
        remedy = "get that file from another machine and pass it with --lpips-weights FILE."
        raise DownloadError(error.fact, remedy) from error


if __name__ == "__main__":
    run_command(main)
