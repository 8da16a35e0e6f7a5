"""Statements of the package on itself, which agree in all places."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

import fastnst

ROOT = Path(__file__).parents[1]


def test_there_is_one_version() -> None:
    assert f'\nversion = "{fastnst.__version__}"\n' in (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{fastnst.__version__}"\n' in (ROOT / "integrations/comfyui/pyproject.toml").read_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == fastnst.__version__
    assert citation["license"] == "MIT"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is new in 3.11")
def test_recipes_and_styles_travel_and_what_is_imported_is_declared() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"] == {
        "weights": "fastnst/styles",
        "configs": "fastnst/configs",
    }
    declared = project["project"]["dependencies"] + [
        entry for extra in project["project"]["optional-dependencies"].values() for entry in extra
    ]
    names = {re.split(r"[\[<>=!;, ]", entry)[0].lower().replace("_", "-") for entry in declared}
    distributions = {
        "cv2": "opencv-python",
        "PIL": "pillow",
        "yaml": "pyyaml",
        "pytorch_lightning": "pytorch-lightning",
    }
    imported = set()
    for path in (ROOT / "fastnst").rglob("*.py"):
        imported |= set(re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    foreign = imported - set(sys.stdlib_module_names) - {"fastnst", "__future__"}
    unknown = {name for name in foreign if distributions.get(name, name.lower().replace("_", "-")) not in names}
    assert unknown <= KNOWN_THROUGH_OTHERS, unknown


# OpenVINO as onnxruntime's plug-in, taken where somebody has installed it; Triton, which comes with PyTorch for CUDA.
KNOWN_THROUGH_OTHERS = {"onnxruntime_ep_openvino", "triton"}
