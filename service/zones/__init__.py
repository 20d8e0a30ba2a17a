"""Zones and lines over live streams: who is in, who passed, counted by class."""
