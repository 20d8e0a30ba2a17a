"""Everything that can be wrong with events, as one tree.

::

    StreamingError
    ├── UnknownFormat           the content is no format we read
    ├── UnsupportedEncoding     the format is known, this codec or version of it is not read
    ├── SizeUnknown             neither the recording nor the caller says how large the sensor is
    ├── BadSource               a source URI, or a setting of one, that means nothing
    ├── BrokenRecording         the content breaks the rules of its own format
    │   ├── EventsOutsideSensor     coordinates beyond the stated size
    │   └── BackwardTime            time runs backward
    ├── LimitExceeded           larger, longer or slower to parse than the caller allows
    ├── SourceLost              a camera or a peer on the network went away; it may come back
    └── ReaderDied              the process that read it ended without a word

Each message says what was found, what is allowed and what to do. The service maps classes to statuses
(`service/errors.py`); nothing here knows about HTTP.
"""


class StreamingError(Exception):
    """Base of all errors raised by `streaming`."""


class UnknownFormat(StreamingError):
    """The content is no format we read."""


class UnsupportedEncoding(StreamingError):
    """The format is known, this codec or version of it is not read."""


class SizeUnknown(StreamingError):
    """Neither the recording nor the caller says how large the sensor is."""


class BadSource(StreamingError):
    """A source URI, or a setting of one, that means nothing."""


class BrokenRecording(StreamingError):
    """The content breaks the rules of its own format."""


class EventsOutsideSensor(BrokenRecording):
    """Coordinates lie beyond the stated size."""


class BackwardTime(BrokenRecording):
    """Time runs backward."""


class LimitExceeded(StreamingError):
    """Larger, longer or slower to parse than the caller allows."""


class SourceLost(StreamingError):
    """A camera or a peer on the network went away; it may come back."""


class ReaderDied(StreamingError):
    """The process that read the recording ended without a word."""
