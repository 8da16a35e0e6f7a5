"""`fastnst reconstruct` and `fastnst texture`: what single layers keep of a picture's content and of its style."""

from __future__ import annotations

import itertools
import logging
import sys
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from fastnst.commands.options.parser import Parser
from fastnst.commands.options.reference import add_settings, settings_of_arguments
from fastnst.errors import ConfigError
from fastnst.images.arrays import from_unit_floats
from fastnst.images.decode import open_image
from fastnst.images.encode import save_image
from fastnst.output_files import check_output
from fastnst.progress import progress
from fastnst.reference.config import Settings, check_size, device_of, prepare
from fastnst.reference.gallery import Entry, write_sheet, write_terms
from fastnst.reference.inputs import open_tensor
from fastnst.reference.optimize import Step, optimize, terms_in_words
from fastnst.reference.recipes import NoExtras, check_picture_count, read_variants
from fastnst.standard_streams import print_result

_MAX_SEEDS = 1000
_CONTENT_LAYERS = ["conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_2"]
_STYLE_LAYERS = ["conv1_1", "conv1_1,conv2_1", "conv1_1,conv2_1,conv3_1", "conv1_1,conv2_1,conv3_1,conv4_1"]


def reconstruct(argv: list[str], prog: str = "fastnst reconstruct") -> int:
    """Rebuild a photo from one layer's features at a time, starting from noise (Gatys et al. 2016, fig. 1)."""
    return _synthesize(argv, prog, "content", _CONTENT_LAYERS)


def texture(argv: list[str], prog: str = "fastnst texture") -> int:
    """Grow a texture with a painting's statistics out of noise (Gatys et al. 2015)."""
    return _synthesize(argv, prog, "style", _STYLE_LAYERS)


def _synthesize(argv: list[str], prog: str, term: str, default_layers: list[str]) -> int:
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    parser = Parser(prog=prog, description=f"Synthesize a picture from noise by its {term} alone.")
    parser.add_argument("picture", type=Path, metavar="PHOTO" if term == "content" else "PAINTING")
    parser.add_argument("--layers", nargs="+", default=default_layers, help="one picture each; join layers with commas")
    parser.add_argument("--seeds", type=int, default=1, help="noise maps for each, side by side")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")
    add_settings(parser)
    options = parser.parse_args(argv)
    if not 1 <= options.seeds <= _MAX_SEEDS:
        raise ConfigError(f"--seeds must be between 1 and {_MAX_SEEDS:,}, not {options.seeds}.")
    check_picture_count([options.seeds, len(options.layers)])
    variants, _ = read_variants(options.config, settings_of_arguments(options), NoExtras())
    if len(variants) != 1:
        raise ConfigError(f"{prog} varies layers and seeds only: give every other option one value.")
    base = variants[0].settings
    sheet, terms = options.output / "sheet.jpg", options.output / "terms.csv"
    for path in (sheet, terms):
        check_output(path, overwrite=options.overwrite)
    seeds = range(base.descent.seed, base.descent.seed + options.seeds)
    entries: list[Entry] = []
    for layers, seed in itertools.product(options.layers, seeds):
        entry = _one(base, term, layers, seed, options.picture)
        if entry.run.interrupted:
            break
        name = f"{layers.replace(',', '+')}_seed{seed}.png"
        save_image(entry.picture, options.output / name, overwrite=options.overwrite)
        entries.append(entry)
    if not entries:
        raise KeyboardInterrupt
    before = [(open_image(options.picture, max_size=640), options.picture.name)]
    write_sheet(entries, sheet, before=before, columns=options.seeds, overwrite=options.overwrite)
    write_terms(entries, terms, overwrite=options.overwrite)
    print_result(f"{sheet}: {len(entries)} pictures; {terms}: their terms and times\n")
    return 0 if len(entries) == len(options.layers) * options.seeds else 130


def _one(base: Settings, term: str, layers: str, seed: int, picture: Path) -> Entry:
    names = [name for name in layers.split(",") if name]
    if term == "content":
        asked = replace(base.objective, content_layers=names, content_layer_weights=None, style_layers=[])
        asked = replace(asked, style_layer_weights=None).with_weights(content=1.0)
    else:
        asked = replace(base.objective, style_layers=names, style_layer_weights=None, content_layers=[])
        asked = replace(asked, content_layer_weights=None).with_weights(style=1.0)
    settings = replace(base, objective=asked, descent=replace(base.descent, init="noise", seed=seed))
    objective = prepare(settings, [picture] if term == "style" else [])
    device = device_of(objective)
    image = open_tensor(picture, settings.size).to(device)
    check_size(settings, objective, image)
    with progress(f"{layers} seed {seed}", settings.descent.steps * settings.descent.scales) as bar:

        def watch(step: Step, _image: Tensor) -> None:
            bar.advance(text=terms_in_words(step))

        run = optimize(image, objective, settings.descent, watcher=watch)
    return Entry(f"{layers.replace(',', ' + ')}, seed {seed}", from_unit_floats(run.image[0].numpy()), run)
