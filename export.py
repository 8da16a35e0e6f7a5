"""Export a trained network: `python export.py CHECKPOINT -o style.onnx`. A thin door to `fastnst export`."""

from fastnst.cli import entry_point

if __name__ == "__main__":
    entry_point("fastnst.commands.export", "export.py")
