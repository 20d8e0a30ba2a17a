"""`open_recording` and `open_source`: a path or a URI in, a `Source` out.

Readers are imported when first needed: the compiled ones cost a process some 120 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from urllib.parse import unquote, urlsplit

from streaming.errors import BadSource, UnknownFormat
from streaming.readers.recording import Recording
from streaming.readers.sizes import stated_size
from streaming.readers.sniff import known, sniff
from streaming.replay import replayed
from streaming.source import Source

READERS: Mapping[str, str] = {
    "aedat4": "streaming.readers.aedat4:Aedat4Recording",
    "evt2": "streaming.readers.evt2:Evt2Recording",
    "evt21": "streaming.readers.evt21:Evt21Recording",
    "evt3": "streaming.readers.evt3:Evt3Recording",
    "dat": "streaming.readers.dat:DatRecording",
    "hdf5": "streaming.readers.hdf5:Hdf5Recording",
    "npy": "streaming.readers.npy:NpyRecording",
    "npz": "streaming.readers.npz:NpzRecording",
    "es": "streaming.readers.es:EsRecording",
    "csv": "streaming.readers.csv_text:CsvRecording",
}
"""Where the reader of each format of `sniff.FORMATS` lives."""

SCHEMES: dict[str, str] = {
    "dv": "streaming.live.dv:open_dv",
    "sim": "streaming.simulate.source:open_simulation",
    "udp": "streaming.live.udp:open_udp",
    "usb": "streaming.live.usb:open_usb",
}
"""Where a function lives that opens the URIs of a scheme: `open_it(uri: str) -> Source`. A new kind of source
adds its line here."""


def open_recording(
    path: str | Path, *, format: str | None = None, width: int | None = None, height: int | None = None
) -> Recording:
    """A recording as a `Source`, of the format that its content shows.

    Args:
        path: the file.
        format: short name (`sniff.FORMATS`) to skip the sniffing, None to go by content.
        width: columns of the sensor, used where the file does not say.
        height: rows of the sensor, likewise.

    Raises:
        BadSource: no such file, or a size that is none.
        UnknownFormat: the content is of no format we read, or `format` is none of the short names.
        SizeUnknown: nobody says how large the sensor is.
        StreamingError: the header is broken or of an encoding that is not read.
    """
    path = Path(path)
    if not path.is_file():
        raise BadSource(f"found no file at {path}; give the path of a recording")
    stated = stated_size(width, height)
    name = format or sniff(path)
    if name not in READERS:
        raise UnknownFormat(f"found no format {name!r}. {known()} Short names: {', '.join(READERS)}.")
    reader: type[Recording] = resolve_name(READERS[name])
    return reader(path, stated)


def open_source(
    uri: str, *, format: str | None = None, width: int | None = None, height: int | None = None
) -> Source:
    """A source of a plain path, a `file://` URI or a URI of a scheme in `SCHEMES` (`sim://street?seed=1`).

    A `file://` URI may say how it is played and filtered: `file:///a.raw?speed=1&loop=1&filter=hot_pixels`
    (`streaming.replay.replayed`).

    Raises:
        BadSource: a scheme that is not known, or as `open_recording`.
        StreamingError: as `open_recording`, or as the scheme's own source says.
    """
    scheme, separator, _ = uri.partition("://")
    if not separator:
        return open_recording(uri, format=format, width=width, height=height)
    if scheme == "file":
        path = _file_path(uri)
        return replayed(
            lambda: open_recording(path, format=format, width=width, height=height), urlsplit(uri).query
        )
    if scheme not in SCHEMES:
        known_schemes = ", ".join(f"{name}://" for name in ("file", *SCHEMES))
        raise BadSource(f"found the scheme {scheme[:40]!r}://; known are {known_schemes} and plain paths")
    opener: Callable[[str], Source] = resolve_name(SCHEMES[scheme])
    return opener(uri)


def _file_path(uri: str) -> Path:
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise BadSource(f"found the host {parts.netloc!r} in {uri}; a file is on this machine: file:///path")
    return Path(unquote(parts.path))
