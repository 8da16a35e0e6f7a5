"""The page's scripts keep their types (`// @ts-check`)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parent


@pytest.mark.slow
def test_types() -> None:
    tsc = shutil.which("tsc")
    types = Path(os.environ.get("FASTNST_TYPES", "node_modules"))
    if not tsc or not (types / "@webgpu").is_dir():
        pytest.skip("needs tsc and @webgpu/types; FASTNST_TYPES names the folder of the types (.ci/run sets it)")
    command = [tsc, "-p", str(_FOLDER / "tsconfig.json"), "--typeRoots", str(types), "--types", "@webgpu/types"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
