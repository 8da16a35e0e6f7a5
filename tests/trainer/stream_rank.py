"""One of two processes that read a stream together: `python stream_rank.py RANK FOLDER PORT` prints what it read."""

from __future__ import annotations

import json
import sys
from itertools import islice
from types import SimpleNamespace

import torch
import torch.distributed as dist

from fastnst.training.data import PhotoData


def main(rank: int, folder: str, port: int) -> None:
    """Five steps, a checkpoint after three of them, and what a resumed run gives."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    data, again = (
        PhotoData(folder, image_size=64, streaming=True, batch_size=2, workers=0, val_limit=2) for _ in range(2)
    )
    data.trainer = SimpleNamespace(global_rank=rank, world_size=2, global_step=0, accumulate_grad_batches=1)
    data.setup("fit")
    batches = list(islice(data.train_dataloader(), 5))
    data.trainer.global_step = 3
    again.trainer = data.trainer
    again.load_state_dict(data.state_dict())
    again.setup("fit")
    rest = list(islice(again.train_dataloader(), 2))
    exact = all(torch.equal(one, other) for one, other in zip(batches[3:], rest, strict=True))
    levels = [int(crop.float().mean().round()) for batch in batches for crop in batch]
    sys.stdout.write(json.dumps({"exact": exact, "levels": levels}) + "\n")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
