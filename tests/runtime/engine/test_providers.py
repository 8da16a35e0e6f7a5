"""What onnxruntime does besides computing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fastnst

ONE_RUN = "import sys; from fastnst.runtime.models.style_model import StyleModel; StyleModel(sys.argv[1], 'cpu')"


def test_nobody_is_told_that_it_is_used(negative_model: Path, tmp_path: Path) -> None:
    """onnxruntime 1.32 writes an id and what it will send to the user's cache, and a session's to the temporary one."""
    unset = ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": str(Path(fastnst.__file__).parents[1]),
    }
    argv = [sys.executable, "-c", ONE_RUN, str(negative_model)]
    subprocess.run(argv, env=environment, cwd=tmp_path, check=True, timeout=120)
    assert not list(tmp_path.iterdir())
