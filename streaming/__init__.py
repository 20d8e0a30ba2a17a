"""Events in, steps out. Imports neither `model` nor `service`."""
