"""Labelled events to weights. Beside the service, the only package that imports `streaming` and `model`."""
