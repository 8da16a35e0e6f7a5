"""The notebook, run as it stands, at tiny size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "integrations" / "notebook" / "train_a_painting.ipynb"


@pytest.mark.slow
def test_a_painting_is_trained_and_a_photo_restyled(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(cell.get("outputs", []) == [] for cell in cells)  # none is kept: it would go stale
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    chosen = {"FASTNST_NOTEBOOK": str(tmp_path), "FASTNST_NOTEBOOK_STEPS": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **chosen}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "starry_night" in done.stdout
    assert (tmp_path / "mine.onnx").stat().st_size > 100_000
    assert (tmp_path / "sheet.jpg").is_file()
