"""What each function or method that a torch network calls becomes in a `Graph`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from model.convert.ops import Activation, Add, Decode, Mean, Route, Scale, called, concat, reshape
from model.convert.rules import leaky, refused, upsample


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A function or method as the network called it.

    Attributes:
        name: of the node it becomes.
        function: its plain name, such as "relu".
        sources: traced tensors it reads.
        args, kwargs: its arguments; traced tensors stand in them as they are, numbers by value.
        value: what it gave for the example.
    """

    name: str
    function: str
    sources: list[fx.Node]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    value: Tensor

    @property
    def rest(self) -> tuple[Any, ...]:
        """The arguments after the first."""
        return self.args[1:]


def from_call(call: Call) -> nn.Module:
    """The operation of a function or method.

    Raises:
        NotConvertible: it has no spiking counterpart; names it.
    """
    rule = _CALLS.get(call.function)
    if rule is None or not call.sources:
        raise refused(call.name, f"the function {call.function or 'of its own'}")
    return rule(call)


def function_name(target: Any) -> str:
    """Plain name of a method or of a function of torch or Python; "" for any other."""
    if isinstance(target, str):
        return target.removesuffix("_")
    module = getattr(target, "__module__", None) or "torch"
    known = module.split(".")[0] in ("torch", "_operator")
    return str(getattr(target, "__name__", "")).removesuffix("_") if known else ""


def _same_call(call: Call) -> Route:
    """A function that moves values, called again with the same arguments."""
    return Route(called(call.function, _FUNCTIONS[call.function], *call.rest, **call.kwargs), call.function)


def _reshape(call: Call) -> Route:
    return reshape(tuple(call.value.shape[1:]))


def _concat(call: Call) -> Route:
    dim = call.kwargs.get("dim", call.rest[0] if call.rest else 0)
    return concat(int(dim))


def _slice(call: Call) -> Route:
    index = call.args[1]
    return Route(lambda x: x[index], f"slice{index}")


def _part(call: Call) -> Route:
    dim, start, length = call.args
    return Route(lambda x: x.narrow(dim, start, length), f"part(dim={dim}, {start}:{start + length})")


def _pad(call: Call) -> Route:
    mode, value = (_argument(call, i, key, d) for i, key, d in ((1, "mode", "constant"), (2, "value", None)))
    if mode != "constant" or value:
        raise refused(call.name, f"a padding of mode {mode!r} with value {value}; zeros are allowed")
    return Route(called("pad", F.pad, _argument(call, 0, "pad", None)), "pad")


def _mean(call: Call) -> nn.Module:
    dims = _argument(call, 0, "dim", None)
    count = call.value.dim() + (0 if _argument(call, 1, "keepdim", False) else len(_as_tuple(dims)))
    axes = tuple(d % count for d in _as_tuple(dims))
    return Mean(axes, bool(_argument(call, 1, "keepdim", False)))


def _interpolate(call: Call) -> Route:
    size, factor = _argument(call, 0, "size", None), _argument(call, 1, "scale_factor", None)
    return upsample(call.name, _argument(call, 2, "mode", "nearest"), size, factor)


def _add(call: Call) -> nn.Module:
    if call.kwargs.get("alpha", 1) != 1:
        raise refused(call.name, f"a sum with alpha={call.kwargs['alpha']}")
    if len(call.sources) > 1:
        return Add()
    return _scaled(call, 1.0, _number(call))


def _subtract(call: Call) -> nn.Module:
    if len(call.sources) > 1 or not isinstance(call.args[0], fx.Node):
        raise refused(call.name, "a difference of layers")
    return _scaled(call, 1.0, -_number(call))


def _multiply(call: Call) -> nn.Module:
    if len(call.sources) > 1:
        raise refused(call.name, "a product of layers, such as a gate or attention makes,")
    return _scaled(call, _number(call), 0.0)


def _divide(call: Call) -> nn.Module:
    if len(call.sources) > 1 or not isinstance(call.args[0], fx.Node):
        raise refused(call.name, "a division by a layer")
    return _scaled(call, 1.0 / _number(call), 0.0)


def _scaled(call: Call, weight: float, bias: float) -> nn.Module:
    if (weight, bias) == (1.0, 0.0):
        return nn.Identity()
    return Scale(call.value.new_tensor(weight), call.value.new_tensor(bias)).requires_grad_(False)


def _number(call: Call) -> float:
    numbers = [a for a in (*call.args, *call.kwargs.values()) if isinstance(a, int | float)]
    if len(numbers) != 1 or not math.isfinite(numbers[0]):
        raise refused(call.name, f"arithmetic with {numbers or 'something other than a number'}")
    return float(numbers[0])


def _argument(call: Call, position: int, key: str, default: Any) -> Any:
    """An argument after the first, by position or name."""
    return call.kwargs.get(key, call.rest[position] if len(call.rest) > position else default)


def _as_tuple(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value or ())


def _pool(make: type[nn.Module]) -> Callable[[Call], nn.Module]:
    def rule(call: Call) -> nn.Module:
        if call.kwargs.get("return_indices"):
            raise refused(call.name, f"a {call.function} that returns indices")
        kwargs = {key: value for key, value in call.kwargs.items() if key not in ("input", "return_indices")}
        return make(*call.rest, **kwargs)

    return rule


def _decode(function: Callable[..., Tensor]) -> Callable[[Call], nn.Module]:
    def rule(call: Call) -> nn.Module:
        kwargs = {key: value for key, value in call.kwargs.items() if key != "_stacklevel"}
        return Decode(called(call.function, function, *call.rest, **kwargs), call.function)

    return rule


_FUNCTIONS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "flatten": Tensor.flatten,
        "unflatten": Tensor.unflatten,
        "permute": Tensor.permute,
        "transpose": Tensor.transpose,
        "pixel_shuffle": F.pixel_shuffle,
        "pixel_unshuffle": F.pixel_unshuffle,
    }
)
_CALLS: Mapping[str, Callable[[Call], nn.Module]] = MappingProxyType(
    {
        "relu": lambda call: Activation(),
        "relu6": lambda call: Activation(cap=6.0),
        "leaky_relu": lambda call: leaky(call.name, _argument(call, 0, "negative_slope", 0.01)),
        "avg_pool1d": _pool(nn.AvgPool1d),
        "avg_pool2d": _pool(nn.AvgPool2d),
        "avg_pool3d": _pool(nn.AvgPool3d),
        "adaptive_avg_pool1d": _pool(nn.AdaptiveAvgPool1d),
        "adaptive_avg_pool2d": _pool(nn.AdaptiveAvgPool2d),
        "adaptive_avg_pool3d": _pool(nn.AdaptiveAvgPool3d),
        "max_pool1d": _pool(nn.MaxPool1d),
        "max_pool2d": _pool(nn.MaxPool2d),
        "max_pool3d": _pool(nn.MaxPool3d),
        "adaptive_max_pool2d": _pool(nn.AdaptiveMaxPool2d),
        "mean": _mean,
        "add": _add,
        "iadd": _add,
        "sub": _subtract,
        "isub": _subtract,
        "mul": _multiply,
        "imul": _multiply,
        "div": _divide,
        "truediv": _divide,
        "itruediv": _divide,
        "cat": _concat,
        "concat": _concat,
        "view": _reshape,
        "reshape": _reshape,
        "squeeze": _reshape,
        "unsqueeze": _reshape,
        "getitem": _slice,
        "part": _part,
        "pad": _pad,
        "interpolate": _interpolate,
        "softmax": _decode(torch.softmax),
        "log_softmax": _decode(torch.log_softmax),
        "sigmoid": _decode(torch.sigmoid),
        **dict.fromkeys(_FUNCTIONS, _same_call),
        **dict.fromkeys(
            ("dropout", "dropout2d", "contiguous", "clone", "detach"), lambda call: nn.Identity()
        ),
    }
)
