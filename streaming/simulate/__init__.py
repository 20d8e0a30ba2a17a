"""Procedural scenes seen by a modelled event camera: training windows with boxes, and a live `sim://` source."""
