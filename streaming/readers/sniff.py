"""`sniff`: which format a file is of, by its content alone."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from streaming.errors import UnknownFormat, UnsupportedEncoding
from streaming.readers.prophesee_header import Header, read_header
from streaming.readers.text_table import looks_like_events

FORMATS: Mapping[str, str] = {
    "aedat4": "AEDAT4 (iniVation)",
    "evt2": "RAW EVT2 (Prophesee)",
    "evt21": "RAW EVT2.1 (Prophesee)",
    "evt3": "RAW EVT3 (Prophesee)",
    "dat": "DAT (Prophesee, N-CARS, Gen1)",
    "hdf5": "HDF5 (Prophesee plain, DSEC)",
    "npy": "NPY",
    "npz": "NPZ",
    "es": "Event Stream (.es)",
    "csv": "CSV or text",
}
"""Short name and full name of every format that is read."""

PROBE_BYTES = 1 << 16

_MAGIC: Mapping[bytes, str] = {
    b"#!AER-DAT4": "aedat4",
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"\x93NUMPY": "npy",
    b"Event Stream": "es",
}

_FOREIGN: Mapping[bytes, str] = {
    b"#ROSBAG V": "a ROS 1 bag; extract its events first",
    b"#!AER-DAT": "AEDAT of version 3 or older; convert it to AEDAT4 with DV",
    b"SQLite format 3": "a SQLite database, such as a ROS 2 bag; extract its events first",
    b"\x89MCAP": "an MCAP log; extract its events first",
    b"\x1f\x8b": "gzip; decompress it first",
    b"\x28\xb5\x2f\xfd": "zstd; decompress it first",
    b"7z\xbc\xaf": "7z; unpack it first",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF",
    b"RIFF": "a RIFF container (AVI, WAV)",
    b"<?xml": "XML",
    b"\x80\x02": "a Python pickle, which is never opened",
    b"\x80\x04": "a Python pickle, which is never opened",
}

_ENCODINGS: Mapping[str, str] = {
    "2.0": "evt2",
    "2": "evt2",
    "evt2": "evt2",
    "2.1": "evt21",
    "evt21": "evt21",
    "3.0": "evt3",
    "3": "evt3",
    "evt3": "evt3",
}


def sniff(path: Path) -> str:
    """Short name of the format (a key of `FORMATS`), by content and never by extension.

    Raises:
        UnknownFormat: the content is of no format we read.
        UnsupportedEncoding: a Prophesee RAW file of an encoding that is not read.
        BrokenRecording: a Prophesee header that does not end.
    """
    with path.open("rb") as file:
        head = file.read(PROBE_BYTES)
        if not head:
            raise UnknownFormat(f"{path.name}: the file is empty. {known()}")
        for magic, name in _MAGIC.items():
            if head.startswith(magic):
                return name
        for magic, what in _FOREIGN.items():
            if head.startswith(magic):
                raise UnknownFormat(f"{path.name}: found {what}. {known()}")
        if head.startswith(b"%"):
            file.seek(0)
            return _prophesee(read_header(file, path.name), file.read(2), path.name)
        if head.startswith(b"PK"):
            return _zip(path)
    if looks_like_events(head):
        return "csv"
    raise UnknownFormat(
        f"{path.name}: found {_describe(head)}, which is no format we read, whatever its name. {known()}"
    )


def known() -> str:
    """One sentence that lists the formats."""
    return f"Formats: {', '.join(FORMATS.values())}."


def _prophesee(header: Header, data: bytes, where: str) -> str:
    encoding = header.fields.get("format", "").split(";")[0] or header.fields.get("evt", "")
    if encoding:
        name = _ENCODINGS.get(encoding.lower())
        if name is None:
            raise UnsupportedEncoding(
                f"{where}: found Prophesee RAW of encoding {encoding[:40]!r}; read are EVT2, EVT2.1 and "
                "EVT3. Record or convert it in one of these."
            )
        return name
    if data[1:] == b"\x08" or "data" in header.fields:
        return "dat"
    raise UnknownFormat(
        f"{where}: found a Prophesee header ({', '.join(sorted(header.fields))[:80] or 'empty'}) that names "
        f"no encoding (`% evt 3.0`, `% format EVT3`) and is not of a DAT file. {known()}"
    )


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise UnknownFormat(f"{path.name}: found a broken ZIP archive ({error}). {known()}") from error
    if any(name.endswith(".npy") for name in names):
        return "npz"
    raise UnknownFormat(f"{path.name}: found a ZIP archive without arrays. Unpack it first. {known()}")


def _describe(head: bytes) -> str:
    line = head[:60].partition(b"\n")[0].rstrip(b"\r")
    if line.isascii() and line.decode("ascii").isprintable():
        return f"text that begins {line.decode('ascii')!r}"
    return f"bytes that begin {head[:8].hex(' ')}"
