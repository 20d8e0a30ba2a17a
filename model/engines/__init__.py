"""Ways to run a network behind one Protocol (`base.Engine`): ONNX Runtime without torch, and torch."""
