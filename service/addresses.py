"""Which sources may be named from the network, and how their names become URIs that the runtime opens."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from service.clips.clips import Clips
from service.errors import Forbidden
from service.recordings import Kept, Recordings
from streaming.errors import BadSource

KEPT = "recording"
CLIP = "clip"
_LONGEST_SHOWN = 200


def resolve(
    source: str, recordings: Recordings, allowed: Path | None, clips: Clips | None = None
) -> tuple[str, Kept | None]:
    """`source` as the runtime takes it, and the kept recording or clip where it is one.

    Args:
        source: "recording://ID?speed=1&loop=1", "clip://ID", "file:///path?...", "sim://street?seed=1", ...
        recordings: the kept ones.
        allowed: the folder whose files may be replayed; None for none.
        clips: the recorded ones; None for none.

    Raises:
        UnknownRecording: no kept recording of this id.
        UnknownClip, ClipUnfinished: no clip of this id, or none that is whole.
        Forbidden: a file outside `allowed`.
        BadSource: no URI, or events pushed by a client, which only `WS /live` takes.
    """
    parts = _split(source)
    query = f"?{parts.query}" if parts.query else ""
    if parts.scheme == KEPT:
        kept = recordings.get(parts.netloc + parts.path)
        return _file_uri(kept.path) + query, kept
    if parts.scheme == CLIP and clips is not None:
        clip = clips.as_recording(parts.netloc + parts.path)
        return _file_uri(clip.path) + query, clip
    if parts.scheme == "file":
        return _file_uri(_inside(Path(unquote(parts.netloc + parts.path)), allowed)) + query, None
    if parts.scheme in ("", "push"):
        raise BadSource(
            f"found source {source[:_LONGEST_SHOWN]!r}; a source is a URI: sim://street?seed=1, "
            "recording://ID or file:///path. Events of your own go to WS /live, whole recordings to "
            "POST /recordings."
        )
    return source, None


def shown(source: str, recordings: Recordings, clips: Clips | None = None) -> str:
    """`source` of a running stream as its maker named it: kept recordings and clips by id, not by path."""
    parts = _split(source)
    if parts.scheme != "file":
        return source
    path, query = Path(unquote(parts.path)), f"?{parts.query}" if parts.query else ""
    if kept := recordings.at(path):
        return f"{KEPT}://{kept.id}{query}"
    if clips is not None and (clip := clips.at(path)):
        return f"{CLIP}://{clip.id}{query}"
    return source


def _split(source: str) -> SplitResult:
    try:
        return urlsplit(source)
    except ValueError:
        raise BadSource(f"found source {source[:_LONGEST_SHOWN]!r}, which is no URI") from None


def _file_uri(path: Path) -> str:
    return "file://" + quote(str(path))


def _inside(path: Path, allowed: Path | None) -> Path:
    # The same for a missing file and a forbidden one: refusals tell nothing of the disk.
    refused = Forbidden(
        f"found {str(path)[:_LONGEST_SHOWN]!r}; only files in the folder of the setting recordings_dir "
        "may be replayed. Post the recording to /recordings and use recording://ID."
    )
    if allowed is None or "\0" in str(path):
        raise refused
    real = path.resolve()
    if not real.is_relative_to(allowed.resolve()) or not real.is_file():
        raise refused
    return real
