"""Train a style: `python train.py fit --config configs/styles/starry_night.yaml`. A thin door to `fastnst train`."""

from fastnst.__main__ import main

if __name__ == "__main__":
    main("fastnst.commands.train", "train.py")
