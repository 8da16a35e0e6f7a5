"""What a stranger can give to a training: names in other encodings, recipes, starts and predictors made by hand."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

import fastnst
from fastnst import cli
from fastnst.checkpoints import check_goes_on, load_network, save_network
from fastnst.commands.options.settings import read_settings
from fastnst.commands.train_predictor import build_parser as predictor_parser
from fastnst.commands.train_start import main as train_start
from fastnst.errors import ConfigError, FastNSTError, ModelError, unencodable
from fastnst.networks import build_network
from fastnst.networks.affines import affines, fingerprint
from fastnst.networks.base import StyleNetwork
from fastnst.networks.folding import folded, unfolded
from fastnst.perceptual.slim import SLIM_FILE, load_slim
from fastnst.perceptual.weight_formats import UNREADABLE, read_convolutions
from fastnst.recipes import read_recipe, with_bases
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.start.predictor import AffinePredictor, guess_style
from fastnst.start.predictor_config import PredictorConfig
from fastnst.start.start_config import StartConfig
from fastnst.trainer.photos import open_source
from fastnst.trainer.run_files import WholeCheckpoints, check_run_name, check_writable
from fastnst.training.several_styles import build_style

OPTIONS = {"width": 32, "blocks": 1}
BASE = "painting: [painting.png]\nperceptual: slim\n"
# In another process: the encoding of names is settled when Python starts.
ASCII = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def network() -> StyleNetwork:
    torch.manual_seed(0)
    return build_network("swift", **OPTIONS)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="locales of POSIX")
@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("painting: [café.png]\nname: cafe\n", "café.png' cannot be written in the encoding of this locale (ascii): "),
        (
            "painting: [painting.png]\nname: café\n",
            "'café' cannot be written in the encoding of this locale (ascii): ",
        ),
    ],
)
def test_recipes_in_utf8_under_a_locale_without_it(recipe: str, said: str, tmp_path: Path) -> None:
    for name in ("painting.png", "café.png"):
        Image.new("RGB", (64, 64), "teal").save(tmp_path / name)
    (tmp_path / "r.yaml").write_text(recipe, encoding="utf-8")
    before = sorted(os.listdir(tmp_path))
    argv = [
        sys.executable,
        "-m",
        "fastnst",
        "train",
        "--config",
        "r.yaml",
        "--photos",
        "sample",
        "--perceptual",
        "slim",
    ]
    environment = {**os.environ, **ASCII, "PYTHONPATH": str(Path(fastnst.__file__).parents[1])}
    done = subprocess.run(argv, capture_output=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 2
    lines = done.stderr.decode("utf-8", "backslashreplace").splitlines()
    assert len(lines) == 1
    assert said.replace("é", "?") in lines[0].replace("\\xe9", "?")
    assert sorted(os.listdir(tmp_path)) == before


def test_recipes_come_to_the_parser_in_ascii(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: café 🎨\n", encoding="utf-8")
    (argument,) = with_bases(["--config", str(tmp_path / "r.yaml")])
    assert argument.isascii()


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_what_has_no_bytes_is_one_sentence(
    encoding: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "x" * 5000 + ("é" if encoding == "ascii" else "\udce9")

    def fail(*_arguments: object) -> int:
        text.encode(encoding)
        return 0

    monkeypatch.setattr("fastnst.commands.styles.main", fail)
    assert cli.main(["styles"]) == 2
    said = capsys.readouterr().err
    assert len(said) < 300
    assert len(said.splitlines()) == 1
    assert ("PYTHONUTF8=1" in said) == (encoding == "ascii" or sys.getfilesystemencoding() != "utf-8")


def test_of_a_text_that_has_no_bytes_the_line_is_shown() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        ("first: 1\n" * 40 + "title: caf\xe9\n" + "last: 2\n" * 40).encode("ascii")
    assert unencodable(caught.value).startswith("'title: caf\xe9' cannot be written")


def test_bytes_of_a_name_that_a_configuration_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(FastNSTError, match="not text in UTF-8: give it another name"):
        check_writable(tmp_path / "caf\udce9")
    with pytest.raises(ConfigError, match="cannot be a folder's"):
        check_run_name("caf\udce9")
    with pytest.raises(UnicodeEncodeError) as caught:
        "caf\udce9".encode()
    assert "'caf\udce9' is not text in UTF-8" in unencodable(caught.value)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (f"name: 0x{'f' * 5000}\n", "a whole number of 20,000 bits"),
        (f"model: {{learning_rate: 0x{'f' * 400}}}\n", "a whole number of 1,600 bits"),
        ("model: {style_size: 1000000000}\n", "style_size must be from 1 to 16,384"),
        ("model: {network: {options: {blocks: 100000000}}}\n", "'blocks' must be at most 256"),
        ("model: {objective: [1]}\n", r"model.objective takes keys and values, not \[1\]"),
        ("model: {objective: null}\n", "model.objective takes keys and values, not null"),
        ("model: {network: null}\n", "model.network takes keys and values, not null"),
        ("model: {perceptual: 3}\n", "model.perceptual takes keys and values, not 3"),
        ("perceptual: null\n", "unknown perceptual network 'None'"),
        ('base: "a\\0b"\n', "embedded null byte"),
        ("base: r.yaml\n", "builds on itself"),
        ("base: /dev/zero\n", "a pipe or a device"),
        ("name: ../x\n", "cannot be a folder's"),
        ("model: {class_path: os.system, init_args: {command: ls}}\n", "does not accept option"),
        ("painting: [nosuch.png]\n", "nosuch.png cannot be opened"),
        ("painting: [[painting.png]]\n", "must name files as its painting"),
    ],
)
def test_a_strangers_recipe_among_styles(more: str, said: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "painting.png")
    kept = "".join(line + "\n" for line in BASE.splitlines() if line.split(":")[0] != more.split(":")[0])
    (tmp_path / "r.yaml").write_text(kept + more)
    with pytest.raises(ConfigError, match=said) if "nosuch" not in more else pytest.raises(FastNSTError, match=said):
        build_style(str(tmp_path / "r.yaml"), tmp_path, {"model": {}})


@pytest.mark.skipif(os.name == "nt", reason="places of POSIX")
@pytest.mark.parametrize("place", ["loop", "fifo", "device", "folder", "dangling"])
def test_recipes_that_are_no_files(place: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    {
        "loop": lambda: path.symlink_to(path),
        "fifo": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "dangling": lambda: path.symlink_to("/nosuch"),
    }[place]()
    with pytest.raises(ConfigError, match=r"does not exist|a pipe or a device"):
        read_recipe(path)


@pytest.mark.parametrize("group", ["objective: null", "network: 3", "perceptual: [slim]"])
def test_a_value_in_place_of_a_group_of_settings(group: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"paintings: p\nphotos: p\n{group}\n")
    with pytest.raises(ConfigError, match=group.split(":")[0]):
        read_settings(predictor_parser("x"), ["--config", str(tmp_path / "r.yaml")], PredictorConfig, "overwrite")


@pytest.mark.parametrize("name", ["seed", "batch_size", "style_size", "image_size", "learning_rate"])
@pytest.mark.parametrize("value", [-1, 10**12, float("nan")])
@pytest.mark.parametrize("config", [StartConfig, PredictorConfig])
def test_numbers_that_no_start_can_be_learned_with(config: type[Any], name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be from"):
        config("paintings", "photos", **{name: value}).validate()


def bad(name: str, tensor: Tensor) -> Callable[[dict[str, Tensor]], None]:
    return lambda state: state.update({name: tensor})


@pytest.mark.parametrize(
    "change",
    [
        bad("centre", torch.zeros(())),
        bad("centre", torch.zeros(2, 2)),
        bad("centre", torch.zeros(1)),
        bad("base", torch.zeros(3)),
        lambda state: state["base"].fill_(float("nan")),
        lambda state: state.update(base=state["base"].to(torch.complex64)),
        lambda state: state.pop("scale"),
        lambda state: state.update({"centre": torch.zeros(300_000), "layers.0.bias": torch.zeros(300_000)}),  # 360 GB
        bad("layers.0.bias", torch.zeros(0)),
    ],
)
def test_predictors_made_by_hand(change: Callable[[dict[str, Tensor]], None], network: StyleNetwork, tmp_path: Path):
    predictor = AffinePredictor(1488, affines(network), hidden=4)
    state = {name: tensor.clone() for name, tensor in predictor.state_dict().items()}
    about = {"fastnst.predictor": json.dumps({"format": 1, "network": fingerprint(network)})}
    painting = torch.rand(1, 3, 64, 64)
    save_file(state, tmp_path / "good.safetensors", about)
    guess_style(network, [painting], path=tmp_path / "good.safetensors")
    change(state)
    save_file(state, tmp_path / "bad.safetensors", about)
    with pytest.raises(ModelError, match="not a predictor of affines, or it is damaged"):
        guess_style(network, [painting], path=tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    "about", ["[" * 100_000, "[1]", "null", '{"format": 1}', f'{{"format": 1, "x": {"1" * 5000}}}']
)
def test_what_a_predictor_says_of_itself(about: str, network: StyleNetwork, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    save_file(AffinePredictor(8, affines(network), hidden=4).state_dict(), path, {"fastnst.predictor": about})
    with pytest.raises(ModelError, match="not a predictor of affines, or it is damaged"):
        guess_style(network, [torch.rand(1, 3, 64, 64)], path=path)


def test_a_predictor_of_another_description_of_paintings(network: StyleNetwork, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    about = {"fastnst.predictor": json.dumps({"format": 1, "network": fingerprint(network)})}
    save_file(AffinePredictor(10, affines(network), hidden=4).state_dict(), path, about)
    with pytest.raises(ModelError, match="by 10 numbers instead of 1488"):
        guess_style(network, [torch.rand(1, 3, 64, 64)], path=path)


def saved_dataset(folder: Path, *, splits: bool) -> None:
    """A folder that `datasets` saved, whose file of Arrow says that its pictures lie far beyond its end."""
    from datasets import Dataset, DatasetDict, Features
    from datasets import Image as ImageFeature

    content = io.BytesIO()
    Image.linear_gradient("L").save(content, "PNG")
    size = len(content.getvalue())
    rows = [{"bytes": content.getvalue(), "path": None}] * 3
    table = Dataset.from_dict({"image": rows}, features=Features({"image": ImageFeature()}))
    (DatasetDict({"train": table}) if splits else table).save_to_disk(folder)
    (file,) = folder.rglob("*.arrow")
    arrow, offsets = file.read_bytes(), struct.pack("<4i", 0, size, 2 * size, 3 * size)
    assert offsets in arrow
    file.write_bytes(arrow.replace(offsets, struct.pack("<4i", 0, 0x70000000, 0x70000001, 0x7FFFFFFF)))


@pytest.mark.parametrize("splits", [False, True])
def test_saved_datasets_that_lead_beyond_their_end(splits: bool, tmp_path: Path) -> None:
    saved_dataset(tmp_path / "saved", splits=splits)
    with pytest.raises(ConfigError, match=r"cannot be read as a dataset .*larger than values array"):
        open_source(str(tmp_path / "saved"))


def test_columns_of_what_are_no_pictures(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [1, 2]}), tmp_path / "photos.parquet")
    with pytest.raises(ConfigError, match="the column 'image' holds no pictures"):
        open_source(str(tmp_path / "photos.parquet"))


def compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)


def test_checkpoints_that_unpack_to_more_than_they_are(network: StyleNetwork, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    about = dataclasses.asdict(StyleMetadata(name="start", network="swift", network_options=OPTIONS))
    state = {f"network.{name}": torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    torch.save({"fastnst": about, "state_dict": state}, path)
    load_network(path)
    compressed(path)
    with pytest.raises(ModelError, match="not a fastnst checkpoint"):
        load_network(path)
    with pytest.raises(ValueError, match="unpacks to more than it is"):
        WholeCheckpoints().load_checkpoint(path)


@pytest.mark.parametrize("content", [torch.zeros(3), [1], 7, "text", None])
@pytest.mark.parametrize("protocol", [2, 4])
def test_checkpoints_that_are_no_dictionaries(
    content: object, protocol: int, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    torch.save(content, tmp_path / "last.ckpt", pickle_protocol=protocol)
    with pytest.raises(ModelError, match="not a fastnst checkpoint"):
        load_network(tmp_path / "last.ckpt")
    with pytest.raises(UNREADABLE):
        WholeCheckpoints().load_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert not recwarn.list


def test_networks_of_few_numbers_that_stand_for_many(network: StyleNetwork, tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    options = {"width": 256, "blocks": 64}  # 300 MB
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in build_network("swift", **options).state_dict().items()}
    about = dataclasses.asdict(StyleMetadata(name="start", network="swift", network_options=options))
    state = {f"network.{name}": torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    torch.save({"fastnst": about, "state_dict": state}, path)
    with pytest.raises(ModelError, match="does not hold the weights of the network 'swift'"):
        load_network(path)


def test_slim_networks_whose_scales_make_them_large(tmp_path: Path) -> None:
    with safe_open(SLIM_FILE, framework="pt") as file:
        state, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    first = next(name for name, tensor in state.items() if tensor.dtype == torch.int8)
    many = 200_000
    state |= {first: torch.ones(1, many, 1, 1, dtype=torch.int8), f"{first}.scale": torch.ones(many)}  # 160 GB
    save_file(state, tmp_path / "slim.safetensors", about)
    with pytest.raises(ConfigError, match="is damaged, or of another version"):
        load_slim(tmp_path / "slim.safetensors")
    assert load_slim().state_dict()


def test_keras_files_of_numbers_that_are_not_there(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        for kind, shape in (("kernel", (1 << 20, 1 << 10, 3, 3)), ("bias", (64,))):
            file.create_dataset(f"block1_conv1/{kind}:0", shape, "f4", chunks=True)
    assert (tmp_path / "vgg.h5").stat().st_size < 100_000
    with pytest.raises(ConfigError, match=r"has 9,663,676,416 numbers"):
        read_convolutions(tmp_path / "vgg.h5")


@pytest.mark.parametrize("kind", ["nan", "complex", "float8 nan"])
def test_networks_whose_weights_are_no_numbers(kind: str, network: StyleNetwork, tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    first = next(iter(state))
    if kind == "complex":
        state[first] = state[first].to(torch.complex64)
    else:
        state[first].fill_(float("nan"))
        state[first] = state[first].to(torch.float8_e4m3fn) if "8" in kind else state[first]
    about = {"name": "start", "network": "swift", "network_options": OPTIONS}
    save_file(state, path, {"fastnst": json.dumps(about)})
    with pytest.raises(ModelError, match=r"not finite numbers|does not hold the weights"):
        load_network(path)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("filters", (4, 32, 9, 1)),
        ("filters", (6, 32, 3, 3)),
        ("filters", (32,)),
        ("filters", ()),
        ("biases", (5,)),
        ("biases", ()),
        ("biases", (4, 4)),
        ("gathering", (4, 4, 9, 1)),
        ("gathering", (4, 6, 3, 3)),
        ("gathering", ()),
        ("gathered", (5,)),
    ],
)
def test_folded_weights_of_another_shape(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"(filters|biases) of the shape"):
        unfolded({f"up.{name}": torch.zeros(shape)})


@pytest.mark.parametrize("kind", ["shape", "size", "strings", "complex", "short"])
def test_style_models_whose_filters_are_wrong(kind: str, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    network = folded(build_network("swift", **OPTIONS))
    tensors = []
    for name, tensor in network.state_dict().items():
        values = tensor.detach().numpy()
        made = numpy_helper.from_array(values, f"network.{name}")
        if name.endswith(".filters"):
            count, into = values.shape[:2]
            if kind == "shape":
                made = numpy_helper.from_array(values.reshape(count, into, 9, 1), made.name)
            elif kind == "size":
                made = numpy_helper.from_array(values[:-1], made.name)
            elif kind == "strings":
                made = TensorProto(
                    name=made.name, data_type=TensorProto.STRING, dims=[count], string_data=[b"x"] * count
                )
            elif kind == "complex":
                made = numpy_helper.from_array(values.astype("complex64"), made.name)
            else:
                made.dims[0] = 2**40
        tensors.append(made)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])
    model = helper.make_model(helper.make_graph([], "style", [image], [image], tensors))
    about = StyleMetadata(name="x", network="swift", network_options=OPTIONS)
    helper.set_model_props(model, about.to_properties())
    path = tmp_path / "style.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="is not a fastnst checkpoint"):
        load_network(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "state",
    [
        "[" * 100_000,
        "[1]",
        '{"done": -5, "seconds": 1}',
        '{"done": Infinity, "seconds": 1}',
        '{"done": 0, "seconds": NaN}',
    ],
)
def test_states_that_no_start_has_left(state: str, network: StyleNetwork, tmp_path: Path) -> None:
    for kind in ("paintings", "photos"):
        (tmp_path / kind).mkdir()
        Image.linear_gradient("L").convert("RGB").save(tmp_path / kind / "one.png")
    (tmp_path / "out").mkdir()
    save_file(network.state_dict(), tmp_path / "out" / "state.safetensors", {"state": state})
    argv = ["--paintings", str(tmp_path / "paintings"), "--photos", str(tmp_path / "photos"), "--resume"]
    argv += ["--output", str(tmp_path / "out"), "--network.options", json.dumps(OPTIONS)]
    with pytest.raises(ModelError, match="is not the state of such a start, or it is damaged"):
        train_start(argv)


def test_networks_that_are_whole_are_loaded(network: StyleNetwork, tmp_path: Path) -> None:
    about = StyleMetadata(name="start", network="swift", network_options=OPTIONS)
    save_network(network, about, tmp_path / "start.safetensors")
    loaded, _ = load_network(tmp_path / "start.safetensors")
    assert torch.equal(affines(loaded), affines(network))


def test_checkpoints_that_lack_weights_are_not_gone_on_from(network: StyleNetwork) -> None:
    whole = dict(network.state_dict())
    check_goes_on({"state_dict": whole}, network)
    with pytest.raises(ModelError, match=f"lacks 2 of the network's {len(whole)} weights"):
        check_goes_on({"state_dict": dict(list(whole.items())[2:])}, network)
    first = next(iter(whole))
    with pytest.raises(ModelError, match="are not finite numbers"):
        check_goes_on({"state_dict": whole | {first: torch.full_like(whole[first], float("nan"))}}, network)
