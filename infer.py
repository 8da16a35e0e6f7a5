"""Restyle photos: `python infer.py photo.jpg --style starry_night -o out.jpg`. A thin door to `fastnst stylize`."""

import sys

from fastnst.cli import run

if __name__ == "__main__":
    sys.exit(run("fastnst.commands.stylize", sys.argv[1:], "infer.py"))
