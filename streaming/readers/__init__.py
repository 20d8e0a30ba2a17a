"""Readers of recordings, one file a format. Imports none of them: `streaming.sources` loads what it needs."""
