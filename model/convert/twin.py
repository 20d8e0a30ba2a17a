"""`Twin`: the ANN twin of our detector as a plain torch network, one window in, raw maps out."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from model.errors import NotConvertible
from model.networks import Network
from model.neurons import Neuron, ReLU


class Twin(nn.Module):
    """A `Network` with ReLU neurons on windows of one step.

    A copy: its neurons become torch's own modules, so that a trace finds them by the names of their layers.
    """

    def __init__(self, network: Network) -> None:
        """Raises NotConvertible: the layout's neurons spike; convert its `ann_twin`."""
        super().__init__()
        if network.layout.activation != "relu":
            raise NotConvertible(
                f"the layout {network.layout.name!r} has {network.layout.activation!r} neurons, which "
                "spike already; train its ANN twin (activation 'relu') and convert that"
            )
        own = copy.deepcopy(network)
        for module in list(own.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, ReLU):
                    setattr(module, name, nn.ReLU())
        self.rows, self.detect = own.rows, own.detect
        # Held beside its parts, not as one, so that layers keep the names they have in the network.
        self._network = (own,)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Raw maps, stride 16 first, (B, A, ny, nx, 5 + classes). Shape: x (B, C, H, W), encoded."""

        def fire(neuron: Neuron, current: Tensor) -> Tensor:
            output: Tensor = neuron(current)
            return output

        network = self._network[0]
        return network.head(network._features(x, fire))
