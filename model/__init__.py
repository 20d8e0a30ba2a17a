"""Steps in, boxes out. Imports neither `streaming` nor `service`."""
