"""Writers of recordings, one file a format, behind `write_recording`."""

from streaming.writers.recording import FORMATS, write_recording

__all__ = ["FORMATS", "write_recording"]
