"""Alarms: rules over live streams, what they raised, and how it is delivered."""
