"""One optimizer step: forward, loss, backward, clip, update, average."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from model.card import Encoding
from model.encodings import encode
from model.networks import Network
from model.sites import sites
from training.batches import Batch
from training.distributed import ALONE, Group
from training.errors import Diverged
from training.loss import Loss, detection_loss
from training.merging import seen_by
from training.settings import Precision, TrainSettings

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def forward(
    network: Network,
    counts: Tensor,
    precision: Precision,
    encoding: Encoding,
    rates: list[Tensor] | None = None,
    call: nn.Module | None = None,
) -> tuple[Tensor, ...]:
    """Raw maps of a batch of windows (T, B, C, H, W) of counts; convolutions in `precision`.

    `rates` gets the layers' firing rates, see `Network.forward`; `call` is called in place of the network.
    """
    counts = seen_by(network.layout, counts, encoding)
    x = encode(counts.flatten(0, 1).contiguous(memory_format=torch.channels_last), encoding)
    with torch.autocast(counts.device.type, _TYPES[precision], enabled=precision != "float32"):
        maps: tuple[Tensor, ...] = (call or network)(x.view(*counts.shape[:2], *x.shape[1:]), rates)
    return maps


def make_optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW; only convolutions' weights decay."""
    weights = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": weights, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.99))


class Trainer:
    """Applies batches to a network.

    Attributes:
        norm: the last gradient's norm before clipping.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        settings: TrainSettings,
        group: Group = ALONE,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.settings = settings
        self.group = group
        self.scaler = torch.amp.GradScaler(settings.device, enabled=settings.precision == "float16")
        self.norm = 0.0
        self._call = group.spread(network)

    def step(self, batch: Batch, lr: float) -> Loss:
        """One update.

        Raises:
            Diverged: the loss is NaN or infinite, here or in another trainer; the weights are as before.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        loss = self._loss(batch)
        self._check(loss, lr)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(loss.total))
        self.scaler.unscale_(self.optimizer)
        self.norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm).item()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def _loss(self, batch: Batch) -> Loss:
        layout, settings = self.network.layout, self.settings
        rates: list[Tensor] = []
        maps = forward(
            self.network, batch.counts, settings.precision, settings.recipe.encoding, rates, self._call
        )
        loss = detection_loss(maps, batch.targets, layout, settings.loss)
        if settings.loss.firing > 0 and rates:
            loss = loss.plus(settings.loss.firing * self._synaptic_rate(rates, batch.counts.shape))
        return loss

    def _synaptic_rate(self, rates: list[Tensor], shape: torch.Size) -> Tensor:
        """Mean firing rate, each layer weighted by the synapses that its spikes reach."""
        layers = sites(self.network.layout, shape[-2], shape[-1]).neurons
        weights = torch.tensor([float(sum(k.macs for k in s.targets)) for s in layers if s.spiking])
        shares = (weights / weights.sum()).to(rates[0].device)
        return torch.stack(rates).float() @ shares

    def _check(self, loss: Loss, lr: float) -> None:
        if not self.group.any(not math.isfinite(loss.total.item())):
            return
        raise Diverged(
            f"the loss is {loss.total.item()} (box {loss.box.item()}, obj {loss.obj.item()}, cls "
            f"{loss.cls.item()}) at learning rate {lr:.2g} in {self.settings.precision}; go on from the last "
            "checkpoint with a lower lr, or in float32"
        )
