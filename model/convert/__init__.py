"""ANN to SNN: a trained torch network in, a spiking network of integrate-and-fire neurons out.

::

    torch network -- trace --> Graph -- Method.convert --> SpikingNetwork -- simulate --> outputs, cost at T
    (ours: twin.Twin)            |                              |
                          ops, rules, fold        neuron.IF, gates.MaxGate, model.state.State

- `trace.trace(ann, example)` follows the network with torch.fx and gives a `graph.Graph`: nodes in order,
  each an operation (`ops`) with its own weights, the dotted name of its module, and the names of what it
  reads. Norms are folded, dropout is gone, anything that cannot be made spiking is refused by name (`rules`).
  A `Graph` is the ANN: call it for outputs, `run` it for the values of single nodes, or with an `apply` of
  your own in place of operations.
- `network.SpikingNetwork(graph, settings)` puts an integrate-and-fire layer where each activation is, with
  threshold 1. `network.neurons[name]` is that layer: a `Method` sets its `threshold` (the amplitude of its
  spikes, so weights stay as they are), `initial` potential and `extra` current; what it changes of the
  weights it changes in `network.graph`, which is a copy of its own. `state_dict` holds all of it.
- The state is a value, `model.state.State`: zeros at rest, for membranes are kept relative to V(0). `step` is
  one step, `readout` the outputs on the means over time, V(T) / T; outputs never fire unless asked to.
- `simulate.simulate` runs T steps, reads at several T and counts (`activity.Activity`);
  `simulate.mean_values` gives the mean of any node over T steps with everything before it spiking, which
  calibration compares with `Graph.run`.
- `inputs`: `Analog`, `Poisson`, `EventStream`. `flow` says which values are spikes, and which part is
  read-out.
- `method.Method` is the extension point: a frozen dataclass of settings with `name` and `convert`;
  `method.convert(ann, calibration, method)` traces, checks and converts.
"""
