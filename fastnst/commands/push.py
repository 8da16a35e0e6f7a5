"""`fastnst push RUN|FILE|STYLE --to user/name`: put a style on the Hugging Face hub."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from fastnst.commands.card import card
from fastnst.commands.options.parser import Parser
from fastnst.errors import ConfigError, ModelError, OutputError
from fastnst.hub import HubAddress, parse_hub_address
from fastnst.input_files import expanded
from fastnst.metrics.comparison_report import read_report
from fastnst.output_folders import write_folder
from fastnst.runtime.models.catalog import resolve_style
from fastnst.runtime.models.onnx_metadata import read_description
from fastnst.sample import sample_photo
from fastnst.standard_streams import print_result


@dataclass(frozen=True)
class PushOptions:
    """The options of `fastnst push`.

    Attributes:
        source: a training's folder, a .safetensors, .ckpt or .onnx, or the name of a style.
        to: the repository.
        report: the report.json of `fastnst compare`, for the card.
        photo: of the sample.
        base_model: the hub's name of the style that this one grew out of.
        private: whether a new repository is seen by its owner only.
        message: of the commit.
        write: write the repository's files here instead of sending them.
    """

    source: str
    to: HubAddress
    report: Path | None = None
    photo: Path = field(default_factory=sample_photo)
    base_model: str | None = None
    private: bool = False
    message: str = "A style of fastnst"
    write: Path | None = None


def build_parser(prog: str) -> argparse.ArgumentParser:
    """The command's options."""
    parser = Parser(prog=prog, description="Put a style on the Hugging Face hub, with card, weights and sample.")
    parser.add_argument("source", metavar="RUN|FILE|STYLE", help="a training's folder, a network or model file, a name")
    parser.add_argument("--to", required=True, metavar="USER/NAME", help="the repository, made if it is missing")
    parser.add_argument("--report", type=Path, metavar="JSON", help="the report.json of fastnst compare, for the card")
    own = "of the sample (default: ours)"
    parser.add_argument("--photo", type=Path, default=sample_photo(), metavar="FILE", help=own)
    parser.add_argument("--base-model", metavar="USER/NAME", help="what it grew out of (default: as its file says)")
    parser.add_argument("--private", action="store_true", help="a new repository is seen by you only")
    parser.add_argument("--message", default="A style of fastnst", help="of the commit")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the files here and send nothing")
    return parser


def main(argv: list[str], prog: str = "fastnst push") -> int:
    """Run the command; raises `FastNSTError` for what a user can get wrong or the hub refuses."""
    logging.basicConfig(format="fastnst: %(message)s", stream=sys.stderr)
    arguments = build_parser(prog).parse_args(argv)
    options = PushOptions(
        arguments.source,
        parse_hub_address(arguments.to),
        arguments.report,
        arguments.photo,
        arguments.base_model,
        arguments.private,
        arguments.message,
        arguments.write,
    )
    if options.to.is_pinned:
        raise ConfigError(f"--to {arguments.to} names a commit, which nothing can be added to: name a branch.")
    if options.write is not None:
        _check_new(options.write)
        with write_folder(options.write) as folder:
            _write(options, folder)
        print_result(f"{options.write}: the files of {options.to}; nothing was sent\n")
        return 0
    from fastnst.sharing.upload import upload_repository

    with tempfile.TemporaryDirectory() as scratch:
        _write(options, Path(scratch))
        where = upload_repository(Path(scratch), options.to, private=options.private, message=options.message)
    print_result(f"{where}: use it with --style {options.to}\n")
    return 0


def _check_new(folder: Path) -> None:
    try:
        if not os.path.lexists(folder) or (os.path.isdir(folder) and not any(folder.iterdir())):
            return
    except OSError as error:
        raise OutputError(f"{folder} cannot be looked at ({error.strerror}).") from error
    raise OutputError(f"{folder} exists already: name an empty or a new folder.")


def _write(options: PushOptions, folder: Path) -> None:
    from fastnst.sharing.repository import RepositoryFiles, write_repository

    with tempfile.TemporaryDirectory() as scratch:
        model, weights = _model_and_weights(find_network(options.source), Path(scratch))
        metadata = read_description(model)
        report = read_report(options.report, metadata.name) if options.report else None
        text = card(metadata, model.stat().st_size, report, spec=str(options.to))
        files = RepositoryFiles(model, weights, text, options.photo, options.base_model)
        write_repository(files, options.to, folder)


def find_network(source: str) -> Path:
    """The newest network in a training's folder, the file itself, or the model file of a style's name.

    Raises `ModelError` for a folder without a network, `StyleNotFoundError` for an unknown name.
    """
    folder = expanded(source)
    if os.path.isdir(folder):
        networks = sorted(folder.rglob("*.safetensors"), key=lambda path: path.stat().st_mtime)
        if not networks:
            raise ModelError(f"{folder} holds no trained network (.safetensors): name a training's folder or a file.")
        return networks[-1]
    return folder if os.path.isfile(folder) else resolve_style(source)


def _model_and_weights(network: Path, scratch: Path) -> tuple[Path, Path | None]:
    """The .onnx and the .safetensors, whichever is missing made from the other."""
    if network.suffix != ".onnx":
        from fastnst.checkpoints import load_network, save_network
        from fastnst.style_export import export_style_model

        trained, metadata = load_network(network)
        model = scratch / "style.onnx"
        export_style_model(trained, metadata, model)
        if network.suffix == ".safetensors":
            return model, network
        save_network(trained, metadata, scratch / "style.safetensors")
        return model, scratch / "style.safetensors"
    try:
        from fastnst.checkpoints import load_network, save_network
    except ModuleNotFoundError:
        log = logging.getLogger(__name__)
        log.warning('style.safetensors is left out: it needs the training packages (pip install "fastnst[train]").')
        return network, None
    save_network(*load_network(network), scratch / "style.safetensors")
    return network, scratch / "style.safetensors"
