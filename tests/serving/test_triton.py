"""Triton's model repository, read back with Triton's own message definition."""

from __future__ import annotations

import errno
import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fastnst import cli
from fastnst.runtime import StyleModel
from tests.conftest import gradient


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    """`model_config_pb2` of tritonclient, without the rest of that package."""
    found = importlib.util.find_spec("tritonclient")
    if found is None or not found.submodule_search_locations:
        pytest.skip("tritonclient is not installed")
    path = Path(next(iter(found.submodule_search_locations))) / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parsed(messages: ModuleType, path: Path) -> Any:
    from google.protobuf import text_format

    return text_format.Parse(path.read_text(), messages.ModelConfig())


def test_the_repository(messages: ModuleType, tmp_path: Path, negative_model: Path, capsys) -> None:
    arguments = ["triton", str(negative_model), "-o", str(tmp_path / "models"), "--max-batch", "4"]
    assert cli.main([*arguments, "--warm-up", "1280x720", "640x360", "--instances", "2", "--device", "gpu"]) == 0
    assert "1 model; tritonserver --model-repository=" in capsys.readouterr().out
    folder = tmp_path / "models" / "negative"
    config = parsed(messages, folder / "config.pbtxt")
    assert (config.name, config.backend, config.max_batch_size) == ("negative", "onnxruntime", 4)
    model = StyleModel(folder / "1" / "model.onnx", "cpu")
    inputs, outputs = model.session.get_inputs(), model.session.get_outputs()
    for tensor, value in ((config.input[0], inputs[0]), (config.output[0], outputs[0])):
        assert tensor.name == value.name
        assert messages.DataType.Name(tensor.data_type) == "TYPE_UINT8"
        assert value.type == "tensor(uint8)"
        # Triton's dimensions leave the batch out.
        assert list(tensor.dims) == [extent if isinstance(extent, int) else -1 for extent in value.shape[1:]]
    assert list(config.dynamic_batching.preferred_batch_size) == [2, 4]
    assert config.dynamic_batching.max_queue_delay_microseconds == 2000
    assert messages.ModelInstanceGroup.Kind.Name(config.instance_group[0].kind) == "KIND_GPU"
    assert config.instance_group[0].count == 2
    assert [list(warm.inputs["image"].dims) for warm in config.model_warmup] == [[720, 1280, 3], [360, 640, 3]]
    assert np.array_equal(model(gradient(20, 30)[None])[0], 255 - gradient(20, 30))


def test_one_at_a_time_and_tensorrt(messages: ModuleType, tmp_path: Path, negative_model: Path) -> None:
    arguments = ["triton", str(negative_model), "-o", str(tmp_path), "--max-batch", "1", "--tensorrt", "--warm-up"]
    assert cli.main(arguments) == 0
    config = parsed(messages, tmp_path / "negative" / "config.pbtxt")
    assert not config.HasField("dynamic_batching")
    assert not config.model_warmup
    accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator[0]
    assert accelerator.name == "tensorrt"
    assert accelerator.parameters["precision_mode"] == "FP16"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--max-batch", "0"], "max-batch must be between 1 and 64"),
        (["--warm-up", "720p"], "a warm-up is a size such as"),
        (["--warm-up", "8x8"], "sides must be between 16"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--device", "cpu", "--tensorrt"], "--tensorrt runs on GPUs"),
    ],
)
def test_what_means_nothing(tmp_path: Path, negative_model: Path, capsys, arguments: list[str], reason: str) -> None:
    assert cli.main(["triton", str(negative_model), "-o", str(tmp_path / "out"), *arguments]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_existing_files_stay(tmp_path: Path, negative_model: Path, capsys) -> None:
    arguments = ["triton", str(negative_model), "-o", str(tmp_path)]
    assert cli.main(arguments) == 0
    assert cli.main(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert cli.main([*arguments, "--overwrite"]) == 0


def test_a_full_disk_leaves_no_half_of_a_repository(
    tmp_path: Path, negative_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    assert cli.main(["triton", str(negative_model), "-o", str(tmp_path / "models")]) == 2
    assert "models cannot be written (No space left on device)" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()
