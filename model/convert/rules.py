"""What each module of a torch network becomes in a `Graph`; what is not here, or in `calls`, is refused."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn
from torch.nn import functional as F

from model.convert.ops import AVERAGE_POOLS, MAX_POOLS, PARAMETRIC, Activation, Decode, Route, called
from model.errors import NotConvertible

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
DROPPED = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
ROUTES = (nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle, nn.ZeroPad2d)
DECODED = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid)
ALLOWED = (
    "convolutions (transposed and depthwise too), linear layers, batch norms, ReLU, ReLU6, leaky ReLU, "
    "average and max pools, sums, concatenations, nearest upsampling, reshapes, dropout, and softmax or "
    "sigmoid at the end"
)


def from_module(name: str, module: nn.Module) -> nn.Module:
    """The operation of one of torch's own modules.

    Raises:
        NotConvertible: it has no spiking counterpart; names it.
    """
    if isinstance(module, (*PARAMETRIC, *AVERAGE_POOLS, *ROUTES)):
        return _own(name, module)
    if isinstance(module, DROPPED):
        return nn.Identity()
    if isinstance(module, NORMS):
        return _norm(name, module)
    if isinstance(module, MAX_POOLS):
        return _max_pool(name, module)
    if isinstance(module, DECODED):
        return Decode(module.forward, type(module).__name__)
    if isinstance(module, nn.Upsample):
        return upsample(name, module.mode, module.size, module.scale_factor)
    return _activation(name, module)


def refused(name: str, what: str) -> NotConvertible:
    """The error for what has no spiking counterpart."""
    return NotConvertible(f"{name!r} is {what}, which cannot be made spiking; allowed are {ALLOWED}")


def _own(name: str, module: nn.Module) -> nn.Module:
    own = copy.deepcopy(module)
    own._forward_hooks.clear()
    if isinstance(own, ROUTES):
        return Route(own.forward, type(own).__name__)
    if getattr(own, "padding_mode", "zeros") != "zeros":
        raise refused(name, f"a {type(own).__name__} with padding {own.padding_mode!r}")
    return own


def _activation(name: str, module: nn.Module) -> Activation:
    match module:
        case nn.ReLU6():
            return Activation(cap=6.0)
        case nn.ReLU():
            return Activation()
        case nn.LeakyReLU():
            return leaky(name, module.negative_slope)
    raise refused(name, f"a {type(module).__name__}")


def leaky(name: str, slope: float) -> Activation:
    if not 0 <= slope <= 1:
        raise refused(name, f"a leaky ReLU of slope {slope}, outside 0..1")
    return Activation(float(slope))


def _norm(name: str, module: nn.Module) -> nn.Module:
    if getattr(module, "running_mean", None) is None or getattr(module, "running_var", None) is None:
        raise NotConvertible(
            f"{name!r} is a {type(module).__name__} without running statistics; train with "
            "track_running_stats=True, then convert"
        )
    return copy.deepcopy(module)


def _max_pool(name: str, module: nn.Module) -> nn.Module:
    if getattr(module, "return_indices", False):
        raise refused(name, f"a {type(module).__name__} that returns indices")
    return copy.deepcopy(module)


def upsample(name: str, mode: str, size: Any, scale_factor: Any) -> Route:
    if mode != "nearest":
        raise refused(name, f"an upsampling of mode {mode!r}; 'nearest' is the one that moves values alone")
    return Route(
        called("upsample", F.interpolate, size=size, scale_factor=scale_factor, mode=mode),
        f"nearest(size={size}, scale_factor={scale_factor})",
    )
