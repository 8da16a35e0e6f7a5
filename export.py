"""Export a trained network: `python export.py CHECKPOINT -o style.onnx`. A thin door to `fastnst export`."""

from fastnst.__main__ import main

if __name__ == "__main__":
    main("fastnst.commands.export", "export.py")
