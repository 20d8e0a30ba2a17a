"""`sites`: where a layout's neurons sit and what they drive, for states, operation counts and energy.

Torch-free. One spike of a neuron causes one synaptic operation (an accumulation) for every output its kernels
reach; at the borders the padding is not there to be reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from model.errors import BadSetting
from model.layout import Layout
from model.plan import INPUT, Node, plan

GRID_MULTIPLE = 32
EVENTS = "events"
WIDE_HIDDEN = 1024


@dataclass(frozen=True, slots=True)
class Kernel:
    """One convolution, padded by kernel // 2.

    Attributes:
        name: of its module in the network.
        c_in, c_out: channels.
        kernel, stride: px.
        height, width: of its input.
        driver: name of the neurons that drive it, `EVENTS` for those of the sensor; "" where its input is
            real-valued.
    """

    name: str
    c_in: int
    c_out: int
    kernel: int
    stride: int
    height: int
    width: int
    driver: str = ""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step, padding counted, as is usual for dense networks."""
        rows, cols = (_outputs(n, self.kernel, self.stride) for n in (self.height, self.width))
        return self.c_in * self.c_out * self.kernel**2 * rows * cols


@dataclass(frozen=True, slots=True)
class Site:
    """One layer of neurons.

    Attributes:
        name: of its module in the network.
        shape: (channels, height, width) of its membrane.
        spiking: False for the SiLU recurrence.
        targets: the convolutions its spikes reach.
    """

    name: str
    shape: tuple[int, int, int]
    spiking: bool
    targets: tuple[Kernel, ...]

    @property
    def neurons(self) -> int:
        """How many neurons the layer has."""
        channels, height, width = self.shape
        return channels * height * width


@dataclass(frozen=True, slots=True)
class Sites:
    """All neurons, in the order they fire, and all convolutions of a layout on a grid.

    Attributes:
        neurons: layers of neurons.
        kernels: convolutions.
        input: the events of the input and the convolutions they reach; None where the input is real-valued.
    """

    neurons: tuple[Site, ...]
    kernels: tuple[Kernel, ...]
    input: Site | None = None

    def real_macs(self, ticks: int = 1) -> tuple[int, int]:
        """Multiply-accumulates of convolutions with real-valued input, padding counted: of a step, of a
        readout.

        A step in several simulation steps, `ticks`, has the same input in all of them, so the first
        convolution runs once and the others every time. The head reads the mean over time.
        """
        real = [kernel for kernel in self.kernels if not kernel.driver]
        head = sum(kernel.macs for kernel in real if kernel.name.startswith("detect."))
        once = sum(kernel.macs for kernel in real if kernel is self.kernels[0])
        return once + ticks * (sum(kernel.macs for kernel in real) - head - once), head


@lru_cache(maxsize=64)
def sites(layout: Layout, height: int, width: int) -> Sites:
    """Neurons and convolutions of `layout` on a `height` x `width` px grid.

    The twin has none of the neurons, and every one of its convolutions has a real-valued input.

    Raises:
        BadLayout: the layout cannot be built.
        BadSetting: height or width is not a positive multiple of 32.
    """
    if min(height, width) < 1 or height % GRID_MULTIPLE or width % GRID_MULTIPLE:
        raise BadSetting(
            f"a grid of {width} x {height} px does not fit; both sides must be multiples of {GRID_MULTIPLE}"
        )
    nodes = plan(layout)
    kernels = tuple(_all_kernels(layout, nodes, height, width))
    if layout.activation == "relu":
        return Sites((), tuple(replace(kernel, driver="") for kernel in kernels))
    neurons = _neurons(nodes, kernels, spiking=layout.activation == "if")
    return Sites(tuple(neurons), kernels, _input(layout, kernels))


def coverage(size: int, kernel: int, stride: int) -> tuple[int, ...]:
    """How many outputs along one axis read each input position, for padding kernel // 2. Shape: (size,)."""
    pad, last = kernel // 2, _outputs(size, kernel, stride) - 1
    # Output o reads inputs o * stride - pad ... o * stride - pad + kernel - 1.
    return tuple(
        min((i + pad) // stride, last) - max(-((kernel - 1 - pad - i) // stride), 0) + 1 for i in range(size)
    )


Weights = tuple[tuple[float, ...], ...]


@lru_cache(maxsize=1024)
def axis_weights(site: Site) -> tuple[Weights, Weights]:
    """Weights of rows and of columns that turn a layer's spikes per pixel into its counts.

    Fan-out is a product of both axes. The first count is the spikes themselves, then one a target: the
    operations it does for them. Shape: (1 + targets, height) and (1 + targets, width).
    """
    _, height, width = site.shape
    rows = (tuple(k.c_out * float(n) for n in coverage(height, k.kernel, k.stride)) for k in site.targets)
    cols = (tuple(float(n) for n in coverage(width, k.kernel, k.stride)) for k in site.targets)
    return ((1.0,) * height, *rows), ((1.0,) * width, *cols)


def _outputs(size: int, kernel: int, stride: int) -> int:
    return (size + 2 * (kernel // 2) - kernel) // stride + 1


def _all_kernels(layout: Layout, nodes: tuple[Node, ...], height: int, width: int) -> Iterator[Kernel]:
    """Kernels of all rows, each block's in the order of its neurons."""
    sizes: list[tuple[int, int]] = []
    for index, node in enumerate(nodes[:-1]):
        h, w = (height, width) if node.sources[0] == INPUT else sizes[node.sources[0]]
        c_in = node.in_channels[0]
        if node.kind == "Sample":
            h, w = 2 * h, 2 * w
        elif node.kind != "Concat":
            for repeat in range(node.repeat):
                first = EVENTS if layout.input == "events" and node.sources[0] == INPUT and not repeat else ""
                yield from _block_kernels(f"rows.{index}.{repeat}", node, c_in, h, w, first)
                c_in, h, w = node.out_channels, _outputs(h, 3, node.stride), _outputs(w, 3, node.stride)
        sizes.append((h, w))
    for level, source in enumerate(nodes[-1].sources):
        c_out = len(layout.anchors[level]) * (5 + layout.classes)
        yield Kernel(f"detect.convs.{level}", nodes[source].out_channels, c_out, 1, 1, *sizes[source])


def _block_kernels(name: str, node: Node, c_in: int, h: int, w: int, events: str) -> Iterator[Kernel]:
    """Kernels of one block; `events` drives a stem that reads the network's input."""
    c_out, k, s = node.out_channels, node.kernel, node.stride
    if node.kind.startswith("Conv_") or node.kind == "Conv":
        yield Kernel(f"{name}.conv", c_in, c_out, k, s, h, w, events)
        return
    k = 3 if node.kind == "BasicBlock_1" else k
    bottleneck = node.kind in ("BasicBlock_ms", "BasicBlock_lcb", "ConcatBlock_ms")
    c_mid = WIDE_HIDDEN if node.kind == "BasicBlock_1" else c_out // 2 if bottleneck else c_out
    h_out, w_out = _outputs(h, k, s), _outputs(w, k, s)
    yield Kernel(f"{name}.conv1", c_in, c_mid, k, s, h, w, f"{name}.neuron1")
    yield Kernel(f"{name}.conv2", c_mid, c_out, k, 1, h_out, w_out, f"{name}.neuron2")
    if node.kind.startswith("Concat"):
        yield Kernel(f"{name}.grow", c_in, c_out - c_in, 1, 1, h, w, f"{name}.neuron1")
    elif c_in != c_out or s != 1:
        driver = "" if node.kind == "BasicBlock_ms" else f"{name}.neuron{1 if s == 1 else 3}"
        yield Kernel(f"{name}.project", c_in, c_out, 1, 1, h_out, w_out, driver)


def _input(layout: Layout, kernels: tuple[Kernel, ...]) -> Site | None:
    targets = tuple(k for k in kernels if k.driver == EVENTS)
    if not targets:
        return None
    return Site(EVENTS, (layout.in_channels, targets[0].height, targets[0].width), False, targets)


def _neurons(nodes: tuple[Node, ...], kernels: tuple[Kernel, ...], spiking: bool) -> Iterator[Site]:
    """Neuron layers in firing order: each stands before the first convolution it drives.

    Args:
        nodes, kernels: of the layout.
        spiking: whether the neurons of `Conv`, which drive none, spike as all others do.
    """
    seen = {EVENTS}
    for kernel in kernels:
        if kernel.driver and kernel.driver not in seen:
            seen.add(kernel.driver)
            targets = tuple(k for k in kernels if k.driver == kernel.driver)
            yield Site(kernel.driver, (kernel.c_in, kernel.height, kernel.width), True, targets)
        elif kernel.name.startswith("rows.") and nodes[int(kernel.name.split(".")[1])].kind == "Conv":
            name = kernel.name.removesuffix("conv") + "neuron"
            rows, cols = (_outputs(n, kernel.kernel, kernel.stride) for n in (kernel.height, kernel.width))
            yield Site(name, (kernel.c_out, rows, cols), spiking, ())
