"""Export a trained network: `python export.py CHECKPOINT -o style.onnx`. A thin door to `fastnst export`."""

import sys

from fastnst.cli import run

if __name__ == "__main__":
    sys.exit(run("fastnst.commands.export", sys.argv[1:], "export.py"))
