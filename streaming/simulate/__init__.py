"""Procedural scenes seen by a modelled event camera: windows to train on, and a live `sim://` source."""
