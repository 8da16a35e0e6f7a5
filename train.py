"""Train a style: `python train.py fit --config configs/styles/starry_night.yaml`. A thin door to `fastnst train`."""

import sys

from fastnst.cli import run

if __name__ == "__main__":
    sys.exit(run("fastnst.commands.train", sys.argv[1:], "train.py"))
