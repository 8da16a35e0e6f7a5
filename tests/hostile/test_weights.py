"""Checkpoints, perceptual networks and style files whose weights are damaged, too many or no numbers."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fastnst.checkpoints import check_goes_on, load_network, save_network
from fastnst.errors import ConfigError, ModelError
from fastnst.networks import build_network
from fastnst.networks.affines import affines
from fastnst.networks.base import StyleNetwork
from fastnst.networks.folding import folded, unfolded
from fastnst.perceptual.slim import SLIM_FILE, load_slim
from fastnst.perceptual.weight_formats import UNREADABLE, read_convolutions
from fastnst.runtime.models.metadata import StyleMetadata
from fastnst.trainer.run_files import WholeCheckpoints

OPTIONS = {"width": 32, "blocks": 1}


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


@pytest.mark.parametrize("kind", ["external", "virtual"])
def test_keras_files_whose_numbers_lie_elsewhere(kind: str, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        for name, shape in (("block1_conv1/kernel:0", (3, 3, 3, 64)), ("block1_conv1/bias:0", (64,))):
            if kind == "external":
                file.create_dataset(name, shape, "f4", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
            else:
                layout = h5py.VirtualLayout(shape, "f4")
                layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
                file.create_virtual_dataset(name, layout)
    with pytest.raises(ConfigError, match=r"the numbers of block1_conv1/\w+:0 lie in another file"):
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
