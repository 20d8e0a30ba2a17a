"""Clips: stretches of live events with the boxes seen in them, written on demand or around an alarm.

In the source's child: `ring`, `writing`, `tap`. In the API process: everything else.
"""
