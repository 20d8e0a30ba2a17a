"""Sources that run while they are read: cameras and the network. One file a kind."""
