"""The LightningModule: a matting network learns from portraits."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import fastnst
from fastnst.errors import ConfigError, FastNSTError
from fastnst.input_files import expanded
from fastnst.matting.exported import load_exported
from fastnst.matting.losses import matting_terms
from fastnst.matting.network import MattingNetwork, MattingOptions
from fastnst.matting.weights import CHECKPOINT_KEY, load_matting
from fastnst.metrics.matting import measure
from fastnst.runtime.models.metadata import MattingMetadata, learned_from
from fastnst.runtime.portrait.matting_model import resolve_matting_model
from fastnst.trainer.optimizers import rate_factor

log = logging.getLogger(__name__)


class MattingTraining(pl.LightningModule):
    """Train a matting network on pairs of photo and matte.

    Args:
        name: what the model file calls itself.
        network: the network's size.
        learning_rate: the peak, after the warm-up.
        warmup: share of the steps in which the rate rises from 0.
        final_rate: the rate at the last step, as a share of the peak; it falls there on a half cosine.
        weight_decay: of AdamW. Portraits with mattes are few.
        init: start from `ours` (the network that ships), from this .onnx of ours, .ckpt, .safetensors or checkpoint of
            MODNet's authors; its size must be the network's.
        freeze_norms: keep the statistics of batch normalizations as they are, for short trainings from an `init` with
            small batches. An .onnx has none, so that from one they are always kept.
        data: for the model file: what it learned from; left out, what `init` learned from and how many portraits.
        licence: for the model file; left out, that of `init`.
    """

    def __init__(
        self,
        name: str = "mine",
        network: MattingOptions = MattingOptions(),  # noqa: B008 (jsonargparse wants a dataclass default)
        learning_rate: float = 2e-3,
        warmup: float = 0.03,
        final_rate: float = 0.01,
        weight_decay: float = 0.02,
        init: str | None = None,
        freeze_norms: bool = False,
        data: str = "",
        licence: str = "",
    ) -> None:
        super().__init__()
        if not learning_rate > 0:
            raise ConfigError(f"learning_rate must be above 0, not {learning_rate}.")
        for option, value in (("warmup", warmup), ("final_rate", final_rate), ("weight_decay", weight_decay)):
            if not 0 <= value <= 1:
                raise ConfigError(f"{option} must be between 0 and 1, not {value}.")
        self.matting_name, self.data_credits, self.licence = name, data, licence
        self.earlier_data = ""  # what the network that this training goes on with learned from
        self.learning_rate, self.warmup, self.final_rate = learning_rate, warmup, final_rate
        self.weight_decay = weight_decay
        self.network = MattingNetwork(network)
        self.earlier_steps = 0
        self.freeze_norms = freeze_norms
        if init is not None:
            self._start_from(init)
        # Convolutions on CPUs and on tensor cores want the channels innermost.
        self.network.to(memory_format=torch.channels_last)
        self._freeze_norms()  # Lightning begins with the modes that it finds
        self.errors: dict[str, float] = {}
        self._validated: list[dict[str, float]] = []

    def forward(self, photos: Tensor) -> Tensor:
        """The alpha of float RGB `[N, 3, H, W]` in [−1, 1]."""
        alpha: Tensor = self.network(photos).alpha
        return alpha

    def train(self, mode: bool = True) -> MattingTraining:
        """As of any module, but with `freeze_norms` batch normalizations stay as in eval mode."""
        super().train(mode)
        self._freeze_norms()
        return self

    def _freeze_norms(self) -> None:
        if self.freeze_norms:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def training_step(self, batch: Tensor, _batch_index: int) -> Tensor:
        """One batch uint8 `[N, 4, H, W]`: the total to minimize."""
        photos, alpha = split(batch)
        found = self.network(photos, all_branches=True)
        with torch.autocast(self.device.type, enabled=False):
            terms = matting_terms(type(found)(*(part.float() for part in found)), alpha, photos)
        if not bool(torch.isfinite(terms.total)):
            last = getattr(self.trainer.checkpoint_callback, "last_model_path", "") or "CHECKPOINT"
            raise FastNSTError(
                f"the objective became {float(terms.total.detach())} at step {self.global_step}: go on with"
                f" --ckpt_path {last} and a lower --model.learning_rate."
            )
        for term, value in terms._asdict().items():
            self.log(f"train/{term}", value.detach(), prog_bar=term == "total")
        return terms.total

    def validation_step(self, batch: Tensor, _batch_index: int) -> None:
        """The papers' measures on held-out portraits."""
        photos, truth = split(batch)
        found = self(photos).float().cpu().numpy()
        pairs = zip(found[:, 0], truth[:, 0].cpu().numpy(), strict=True)
        self._validated += [measure(one, other) for one, other in pairs]

    def on_validation_epoch_end(self) -> None:
        """Log the means over the held-out portraits."""
        names = list(self._validated[0])
        self.errors = {name: sum(each[name] for each in self._validated) / len(self._validated) for name in names}
        self._validated.clear()
        log.info("step %d: held-out %s", self.global_step, ", ".join(f"{k} {v:.4f}" for k, v in self.errors.items()))
        self.log_dict({f"val/{name}": value for name, value in self.errors.items()}, rank_zero_only=True)

    def configure_optimizers(self) -> Any:
        """AdamW (no decay for norms and biases) with a linear warm-up and a cosine decay over the run's steps."""
        parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        groups = [
            {"params": [one for one in parameters if one.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate)
        steps = self.trainer.max_steps
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, steps, self.warmup, self.final_rate)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse, in one sentence, to go on from a checkpoint of another network."""
        description = checkpoint.get(CHECKPOINT_KEY)
        if not isinstance(description, dict):
            raise ConfigError("the checkpoint to go on from is not one of fastnst train-matting.")
        options = description.get("network_options")
        if options != dataclasses.asdict(self.network.options):
            raise ConfigError(
                f"the checkpoint to go on from holds a network with {options}: set model.network to match."
            )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describe the network inside its checkpoint."""
        checkpoint[CHECKPOINT_KEY] = dataclasses.asdict(self.metadata())

    def metadata(self) -> MattingMetadata:
        """The metadata of the model file about this training, as of now."""
        data = getattr(self.trainer, "datamodule", None)
        return MattingMetadata(
            name=self.matting_name,
            network_options=dataclasses.asdict(self.network.options),
            reference_size=getattr(data, "image_size", 256),
            steps=self.earlier_steps + self.global_step,
            batch_size=getattr(data, "batch_size", 0) * self.trainer.world_size,
            image_size=getattr(data, "image_size", 0),
            data=self.data_credits or learned_from(self.earlier_data, getattr(data, "description", "")),
            licence=self.licence,
            errors=dict(self.errors),
            fastnst_version=fastnst.__version__,
        )

    def _start_from(self, init: str) -> None:
        path = resolve_matting_model(init) if init == "ours" else expanded(init)
        is_exported = path.suffix == ".onnx"
        network, metadata = load_exported(path) if is_exported else load_matting(path)
        if network.options != self.network.options:
            raise ConfigError(
                f"{path} holds a network with {metadata.network_options}, but this configuration asks for"
                f" {dataclasses.asdict(self.network.options)}: set model.network to match."
            )
        self.network.load_state_dict(network.state_dict())
        self.earlier_steps, self.earlier_data = metadata.steps, metadata.data
        self.licence = self.licence or metadata.licence
        self.freeze_norms = self.freeze_norms or is_exported


def split(batch: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 `[N, 4, H, W]` to photos `[N, 3, H, W]` in [−1, 1] and alpha `[N, 1, H, W]` in [0, 1]."""
    photos = (batch[:, :3].float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
    return photos, batch[:, 3:].float() / 255
