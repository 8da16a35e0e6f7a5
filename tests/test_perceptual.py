from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from fastnst import perceptual
from fastnst.errors import ConfigError, DownloadError
from fastnst.perceptual import PerceptualConfig, build_perceptual
from fastnst.perceptual.architectures import ARCHITECTURES, CAFFE, ConvSpec
from fastnst.perceptual.cached import read_weights
from fastnst.perceptual.network import Padding, PerceptualNetwork, replicate


def random_state(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Weights of the right shapes under torchvision's names."""
    generator = torch.Generator().manual_seed(seed)
    state, channels = {}, 3
    for _, spec in ARCHITECTURES[name]:
        if isinstance(spec, ConvSpec):
            shape = (spec.channels, channels, spec.kernel, spec.kernel)
            scale = (2 / (channels * spec.kernel**2)) ** 0.5
            state[f"features.{spec.index}.weight"] = torch.randn(shape, generator=generator) * scale
            state[f"features.{spec.index}.bias"] = torch.randn(spec.channels, generator=generator) * 0.1
            channels = spec.channels
    return state


def write_keras(path: Path, state: dict[str, Tensor], name: str) -> None:
    """The layout of Keras' no-top files: a group a layer, HWIO kernels."""
    import h5py

    with h5py.File(path, "w") as file:
        for layer, spec in ARCHITECTURES[name]:
            group = layer.replace("conv", "block").replace("_", "_conv") if isinstance(spec, ConvSpec) else layer
            if not isinstance(spec, ConvSpec):
                file.create_group(group)
                continue
            kernel = state[f"features.{spec.index}.weight"].permute(2, 3, 1, 0).numpy()
            file[f"{group}/{group}_W_1:0"] = kernel
            file[f"{group}/{group}_b_1:0"] = state[f"features.{spec.index}.bias"].numpy()


@pytest.fixture(scope="module")
def alexnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "alexnet.safetensors"
    save_file(random_state("alexnet"), path)
    return path


@pytest.mark.parametrize("name", ["vgg19", "vgg16", "alexnet"])
def test_features_are_torchvisions(name: str) -> None:
    import torchvision

    reference = getattr(torchvision.models, name)(weights=None).features.eval()
    state = random_state(name)
    reference.load_state_dict({key.removeprefix("features."): value for key, value in state.items()})
    network = PerceptualNetwork(ARCHITECTURES[name], perceptual.weight_sets.TORCHVISION, name=name)
    perceptual._fill(network, state, "test")
    images = torch.rand(2, 3, 97, 70)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (images - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    found = network.features(images, network.layer_names)
    with torch.no_grad():
        for (layer, _), module in zip(ARCHITECTURES[name], reference, strict=False):
            x = module(x.clone())
            assert torch.allclose(found[layer], x, rtol=1e-3, atol=1e-4), layer


def test_caffe_preprocessing_is_bgr_minus_mean() -> None:
    layers = (("conv1_1", ConvSpec(3, 1, 1, 0, 0)),)
    network = PerceptualNetwork(layers, CAFFE)
    with torch.no_grad():
        network.convolutions["conv1_1"].weight.copy_(torch.eye(3).view(3, 3, 1, 1))
        network.convolutions["conv1_1"].bias.zero_()
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    found = network.features(red, ["conv1_1"])["conv1_1"].flatten()
    assert torch.allclose(found, torch.tensor([-103.939, -116.779, 255 - 123.68]), atol=1e-3)


def test_convolution_and_relu_can_both_be_read(alexnet_file: Path) -> None:
    network = build_perceptual(PerceptualConfig("alexnet", weights_file=str(alexnet_file)))
    found = network.features(torch.rand(1, 3, 64, 64), ["conv2", "relu2"])
    assert found["conv2"].min() < 0
    assert torch.equal(found["relu2"], found["conv2"].relu())


def test_weights_never_train(alexnet_file: Path) -> None:
    network = build_perceptual(PerceptualConfig("alexnet", weights_file=str(alexnet_file)))
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(("layers", "size"), [(["relu1_1"], 1), (["conv2_1"], 2), (["relu5_1"], 16)])
def test_smallest_input(layers: list[str], size: int) -> None:
    network = PerceptualNetwork(ARCHITECTURES["vgg19"], CAFFE)
    assert network.smallest_input(layers) == size
    network.features(torch.rand(1, 3, size, size), layers)
    if size > 1:
        with pytest.raises(ConfigError, match="too small"):
            network.features(torch.rand(1, 3, size - 1, size - 1), layers)


@pytest.mark.parametrize(("padding", "has_frame"), [("zeros", True), ("replicate", False)])
def test_only_zeros_draw_a_frame(padding: Padding, has_frame: bool) -> None:
    network = build_perceptual(PerceptualConfig("slim", padding=padding))
    layers = ("relu1_1", "conv4_2", "relu5_1")
    for features in network.features(torch.full((1, 3, 64, 96), 0.6), layers).values():
        middle = features[..., features.shape[2] // 2, features.shape[3] // 2][..., None, None]
        is_even = torch.allclose(features, middle.expand_as(features), atol=1e-3 * float(features.abs().max()))
        assert is_even != has_frame


def test_unknown_padding_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown padding 'mirror': choose zeros or replicate\."):
        build_perceptual(PerceptualConfig("slim", padding="mirror"))  # type: ignore[arg-type]


def test_unknown_layer_lists_the_valid_ones() -> None:
    network = PerceptualNetwork(ARCHITECTURES["vgg19"], CAFFE, name="vgg19")
    with pytest.raises(ConfigError, match=r"vgg19 has no layer 'relu4-2'.*Did you mean 'relu4_2'.*conv1_1, relu1_1"):
        network.features(torch.rand(1, 3, 32, 32), ["relu4-2"])


def test_a_keras_file_and_a_torchvision_file_give_the_same(tmp_path: Path) -> None:
    state = random_state("vgg16")
    write_keras(tmp_path / "keras.h5", state, "vgg16")
    torch.save(state | {"classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "torchvision.pth")
    images = torch.rand(1, 3, 48, 48)
    results = []
    for name in ("keras.h5", "torchvision.pth"):
        config = PerceptualConfig("vgg16", "oxford", str(tmp_path / name))
        results.append(build_perceptual(config).features(images, ["relu5_3"])["relu5_3"])
    assert torch.equal(*results)
    assert results[0].abs().sum() > 0


def test_a_pth_file_is_taken_as_torchvisions(tmp_path: Path) -> None:
    state = random_state("vgg16")
    torch.save(state, tmp_path / "torchvision.pth")
    save_file(state, tmp_path / "ours.safetensors")
    assert build_perceptual(PerceptualConfig("vgg16", None, str(tmp_path / "torchvision.pth"))).preprocessing != CAFFE
    assert build_perceptual(PerceptualConfig("vgg16", None, str(tmp_path / "ours.safetensors"))).preprocessing == CAFFE


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.pth", b"not a checkpoint", "cannot be read as perceptual weights"),
        ("words.pth", b"something else", "cannot be read as perceptual weights"),
        ("text.h5", b"not a checkpoint", "cannot be read as perceptual weights"),
        ("text.safetensors", b"not a checkpoint", "cannot be read as perceptual weights"),
        ("text.npz", b"", "not a weights file that fastnst reads"),
    ],
)
def test_foreign_weights_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        build_perceptual(PerceptualConfig(weights_file=str(tmp_path / name)))


def test_weights_of_another_network_are_refused(alexnet_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"does not hold the weights of vgg19: features\.0\.weight \(conv1_1\)"):
        build_perceptual(PerceptualConfig("vgg19", weights_file=str(alexnet_file)))


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Path("/")}, tmp_path / "code.pth")
    with pytest.raises(ConfigError, match="cannot be read as perceptual weights"):
        build_perceptual(PerceptualConfig(weights_file=str(tmp_path / "code.pth")))


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An HTTP server on this machine that publishes AlexNet weights, known by their checksum."""
    folder = tmp_path / "published"
    folder.mkdir()
    source = perceptual.WEIGHT_SETS["alexnet", "imagenet"]
    file = folder / source.file.name
    torch.save(random_state("alexnet"), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    known = replace(source, file=replace(source.file, checksum=f"sha256:{digest}", size=file.stat().st_size))
    monkeypatch.setitem(perceptual.WEIGHT_SETS, ("alexnet", "imagenet"), known)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("FASTNST_MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield file
    server.shutdown()
    server.server_close()
    thread.join()


def test_download_is_checked_trimmed_and_cached(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PerceptualConfig("alexnet")
    first = build_perceptual(config).convolutions["conv1"].weight
    cached = {path.name for path in perceptual.cache_folder().iterdir()}
    assert cached == {"alexnet_imagenet.safetensors"}
    away = published.rename(published.with_suffix(".away"))  # a second time needs no network
    assert torch.equal(build_perceptual(config).convolutions["conv1"].weight, first)
    # A cached file is known by the SHA-256 inside it: a damaged one is fetched again.
    cached_file = perceptual.cache_folder() / "alexnet_imagenet.safetensors"
    damaged = bytearray(cached_file.read_bytes())
    damaged[-1000] ^= 0xFF
    cached_file.write_bytes(damaged)
    with pytest.raises(DownloadError):
        build_perceptual(config)
    away.rename(published)
    assert torch.equal(build_perceptual(config).convolutions["conv1"].weight, first)
    assert read_weights(cached_file) is not None


def test_a_mirror_may_be_a_folder(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", str(published.parent))
    assert build_perceptual(PerceptualConfig("alexnet")).name == "alexnet"


def test_a_wrong_file_is_not_kept(published: Path) -> None:
    published.write_bytes(b"something else")
    with pytest.raises(DownloadError, match="is not the published file"):
        build_perceptual(PerceptualConfig("alexnet"))
    assert list(perceptual.cache_folder().iterdir()) == []


def test_an_interrupted_download_is_resumed_or_restarted(published: Path) -> None:
    partial = perceptual.cache_folder() / f"{published.name}.part"
    partial.write_bytes(published.read_bytes()[:1000])
    assert build_perceptual(PerceptualConfig("alexnet")).name == "alexnet"
    assert not partial.exists()


def test_unreachable_weights_name_the_file_and_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNST_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"vgg19.*notop\.h5 \(80 MB\).*--perceptual-weights FILE"):
        build_perceptual(PerceptualConfig("vgg19"))


@pytest.mark.parametrize("padding", [1, 2])
def test_maps_are_continued_as_pytorch_does_and_keep_their_layout(padding: int) -> None:
    maps = torch.rand(2, 3, 5, 7).to(memory_format=torch.channels_last).requires_grad_()
    continued = replicate(maps, padding)
    assert continued.is_contiguous(memory_format=torch.channels_last)
    expected = torch.nn.functional.pad(maps, (padding,) * 4, mode="replicate")
    torch.testing.assert_close(continued, expected)
    weights = torch.rand_like(expected)
    (own,) = torch.autograd.grad((continued * weights).sum(), maps)
    (pytorchs,) = torch.autograd.grad((expected * weights).sum(), maps)
    torch.testing.assert_close(own, pytorchs)
