"""The network's edge: REST, WebSocket, command line. Knows `streaming` and `model` by their public names."""
