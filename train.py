"""Train a style: `python train.py fit --config configs/styles/starry_night.yaml`. A thin door to `fastnst train`."""

from fastnst.cli import entry_point

if __name__ == "__main__":
    entry_point("fastnst.commands.train", "train.py")
