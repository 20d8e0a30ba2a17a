"""Everything that can go wrong at the network's edge, and the one table that maps errors to answers.

::

    ServiceError
    ├── BadRequest              a value of the request means nothing
    ├── Unauthorized            no token where one is needed
    ├── Forbidden               this token, or this address, may not
    ├── UnknownStream           no stream of this id
    ├── UnknownJob              no job of this id
    ├── UnknownRecording        no kept recording of this id
    ├── UnknownClip             no clip of this id
    ├── ClipUnfinished          a clip that is being written, or failed, has no files
    ├── NotRecordable           a stream that cannot be recorded now
    ├── NoRoomForClips          the quota of clips, or the disk, is full
    ├── UnknownZone             no zone or line of this id
    ├── BadZone                 a zone or line that makes no sense on its stream
    ├── UnknownAlarm            no alarm of this id, or none that was raised
    ├── BadAlarm                an alarm that could never be raised, or not be delivered
    ├── UnknownLetter           no dead letter of this id
    ├── NameTaken               a stream of this name runs already
    ├── NotAPushStream          events were pushed to a stream that has its own source
    ├── JobCancelled            the job was cancelled, there is no result
    ├── JobUnfinished           the job has no result yet
    ├── StreamEnded             the stream was stopped, or its source ended
    ├── TooLarge                an upload beyond the limit
    ├── BadUpload               a body that is no whole upload
    ├── UploadStalled           an upload of which nothing came for too long
    ├── DiskFull                no room left for an upload
    ├── BadFrame                a binary WebSocket frame that is no events frame
    │   └── FrameTooLarge           longer than the limit
    ├── TooManyStreams          as many streams run as are allowed
    ├── QueueFull               as many uploads wait as are allowed
    ├── WorkerDied              the inference worker ended while it held the request
    ├── WorkerNotReady          the inference worker is still starting
    ├── ViewerTooSlow           a viewer took nothing for too long
    ├── NotInstalled            an optional part is needed that is not installed
    ├── StoreUnavailable        the database does not answer, is locked or full
    │   ├── StoreDamaged            it is broken, or no database
    │   └── StoreTooNew             a later version of Spikesight wrote it
    └── DeadlineExceeded        the answer was not there in time

`problem_of` gives status, WebSocket code and problem type of any error, those of `streaming` and `model`
included. Errors cross processes by class name and message: `to_wire`, `from_wire`.
"""

from __future__ import annotations

from dataclasses import dataclass

from model import errors as model
from streaming import errors as streaming

TYPE_PREFIX = "urn:spikesight:problem:"


class ServiceError(Exception):
    """Base of all errors raised by `service`."""


class BadRequest(ServiceError):
    """A value of the request means nothing."""


class Unauthorized(ServiceError):
    """No token where one is needed."""


class Forbidden(ServiceError):
    """This token, or this address, may not."""


class UnknownStream(ServiceError):
    """No stream of this id."""


class UnknownJob(ServiceError):
    """No job of this id."""


class UnknownRecording(ServiceError):
    """No kept recording of this id."""


class UnknownClip(ServiceError):
    """No clip of this id."""


class ClipUnfinished(ServiceError):
    """A clip that is being written, or failed, has no files."""


class NotRecordable(ServiceError):
    """A stream that cannot be recorded now."""


class NoRoomForClips(ServiceError):
    """The quota of clips, or the disk, is full."""


class UnknownZone(ServiceError):
    """No zone or line of this id."""


class BadZone(ServiceError):
    """A zone or line that makes no sense on its stream."""


class UnknownAlarm(ServiceError):
    """No alarm of this id, or none that was raised."""


class BadAlarm(ServiceError):
    """An alarm that could never be raised, or not be delivered."""


class UnknownLetter(ServiceError):
    """No dead letter of this id."""


class NameTaken(ServiceError):
    """A stream of this name runs already."""


class NotAPushStream(ServiceError):
    """Events were pushed to a stream that has its own source."""


class JobCancelled(ServiceError):
    """The job was cancelled, there is no result."""


class JobUnfinished(ServiceError):
    """The job has no result yet."""


class StreamEnded(ServiceError):
    """The stream was stopped, or its source ended."""


class TooLarge(ServiceError):
    """An upload beyond the limit."""


class BadUpload(ServiceError):
    """A body that is no whole upload."""


class UploadStalled(ServiceError):
    """An upload of which nothing came for too long."""


class DiskFull(ServiceError):
    """No room left for an upload."""


class BadFrame(ServiceError):
    """A binary WebSocket frame that is no events frame."""


class FrameTooLarge(BadFrame):
    """A binary WebSocket frame longer than the limit."""


class TooManyStreams(ServiceError):
    """As many streams run as are allowed."""


class QueueFull(ServiceError):
    """As many uploads wait as are allowed."""


class WorkerDied(ServiceError):
    """The inference worker ended while it held the request."""


class WorkerNotReady(ServiceError):
    """The inference worker is still starting."""


class ViewerTooSlow(ServiceError):
    """A viewer took nothing for too long."""


class NotInstalled(ServiceError):
    """An optional part is needed that is not installed."""


class StoreUnavailable(ServiceError):
    """The database does not answer, is locked or full."""


class StoreDamaged(StoreUnavailable):
    """The database is broken, or no database."""


class StoreTooNew(StoreUnavailable):
    """A later version of Spikesight wrote the database."""


class DeadlineExceeded(ServiceError):
    """The answer was not there in time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """How one class of errors is answered.

    Attributes:
        status: HTTP status.
        ws_code: WebSocket close code.
        slug: last part of the problem `type`, and `code` of an `error` message.
        title: the problem's `title`, the same for every error of the class.
        retry_after_s: seconds for a `Retry-After` header, None where trying again helps nothing.
    """

    status: int
    ws_code: int
    slug: str
    title: str
    retry_after_s: int | None = None

    @property
    def type(self) -> str:
        """The problem's `type` URI."""
        return TYPE_PREFIX + self.slug


INTERNAL = Problem(500, 1011, "internal", "Something went wrong on our side")

PROBLEMS: dict[type[Exception], Problem] = {
    # the request
    BadRequest: Problem(422, 1008, "bad-request", "A value of the request is not allowed"),
    Unauthorized: Problem(401, 1008, "unauthorized", "A token is needed"),
    Forbidden: Problem(403, 1008, "forbidden", "Not allowed"),
    UnknownStream: Problem(404, 1008, "unknown-stream", "There is no such stream"),
    UnknownJob: Problem(404, 1008, "unknown-job", "There is no such job"),
    UnknownRecording: Problem(404, 1008, "unknown-recording", "There is no such recording"),
    UnknownClip: Problem(404, 1008, "unknown-clip", "There is no such clip"),
    ClipUnfinished: Problem(409, 1008, "clip-unfinished", "The clip has no files"),
    NotRecordable: Problem(409, 1008, "not-recordable", "The stream cannot be recorded now", 5),
    NoRoomForClips: Problem(507, 1013, "no-room-for-clips", "There is no room left for clips", 60),
    UnknownZone: Problem(404, 1008, "unknown-zone", "There is no such zone or line"),
    BadZone: Problem(422, 1008, "bad-zone", "The zone or line makes no sense"),
    UnknownAlarm: Problem(404, 1008, "unknown-alarm", "There is no such alarm"),
    BadAlarm: Problem(422, 1008, "bad-alarm", "The alarm makes no sense"),
    UnknownLetter: Problem(404, 1008, "unknown-letter", "There is no such dead letter"),
    NameTaken: Problem(409, 1008, "name-taken", "A stream of this name runs already"),
    NotAPushStream: Problem(409, 1008, "not-a-push-stream", "This stream has its own source"),
    JobCancelled: Problem(409, 1008, "job-cancelled", "The job was cancelled"),
    JobUnfinished: Problem(409, 1008, "job-unfinished", "The job has no result yet"),
    StreamEnded: Problem(409, 1001, "stream-ended", "The stream has ended"),
    TooLarge: Problem(413, 1009, "too-large", "The upload is too large"),
    BadUpload: Problem(422, 1008, "bad-upload", "The body is no whole upload"),
    UploadStalled: Problem(408, 1008, "upload-stalled", "The upload stalled"),
    DiskFull: Problem(507, 1013, "disk-full", "There is no room left for uploads", 60),
    BadFrame: Problem(422, 1007, "bad-frame", "The binary frame is no events frame"),
    FrameTooLarge: Problem(413, 1009, "frame-too-large", "The binary frame is too large"),
    # load and faults
    TooManyStreams: Problem(429, 1013, "too-many-streams", "Too many streams are running", 30),
    QueueFull: Problem(503, 1013, "queue-full", "Too many uploads are waiting", 10),
    WorkerDied: Problem(503, 1013, "worker-died", "The inference worker ended unexpectedly", 5),
    WorkerNotReady: Problem(503, 1013, "worker-not-ready", "The inference worker is starting", 5),
    ViewerTooSlow: Problem(503, 1013, "viewer-too-slow", "The viewer takes messages too slowly", 5),
    NotInstalled: Problem(501, 1011, "not-installed", "An optional part is not installed"),
    StoreUnavailable: Problem(503, 1013, "store-unavailable", "The database does not take this", 5),
    StoreDamaged: Problem(500, 1011, "store-damaged", "The database is damaged"),
    StoreTooNew: Problem(500, 1011, "store-too-new", "A later version wrote the database"),
    DeadlineExceeded: Problem(504, 1013, "deadline-exceeded", "The answer was not there in time"),
    ServiceError: INTERNAL,
    # events
    streaming.UnknownFormat: Problem(415, 1008, "unknown-format", "The format is unknown"),
    streaming.UnsupportedEncoding: Problem(
        415, 1008, "unsupported-encoding", "This encoding of a known format is not read"
    ),
    streaming.SizeUnknown: Problem(422, 1008, "size-unknown", "The sensor's size is unknown"),
    streaming.BadSource: Problem(422, 1008, "bad-source", "The source means nothing"),
    streaming.BrokenRecording: Problem(422, 1007, "broken-recording", "The recording is broken"),
    streaming.EventsOutsideSensor: Problem(
        422, 1007, "events-outside-sensor", "Events lie outside the sensor"
    ),
    streaming.BackwardTime: Problem(422, 1007, "backward-time", "Time runs backward"),
    streaming.LimitExceeded: Problem(413, 1009, "limit-exceeded", "A limit was exceeded"),
    streaming.SourceLost: Problem(503, 1013, "source-lost", "The source went away", 5),
    streaming.ReaderDied: Problem(422, 1011, "reader-died", "The recording could not be read"),
    streaming.StreamingError: Problem(422, 1008, "events", "The events cannot be used"),
    # networks
    model.UnknownModel: Problem(404, 1008, "unknown-model", "There is no such model"),
    model.BadSetting: Problem(422, 1008, "bad-setting", "A setting is out of its range"),
    model.BadLayout: Problem(422, 1008, "bad-layout", "The network's description is wrong"),
    model.BadWeights: Problem(500, 1011, "bad-weights", "The model's weights cannot be used"),
    model.BadState: Problem(409, 1011, "bad-state", "The state is of another network"),
    model.BadMaps: Problem(500, 1011, "bad-maps", "The network's output cannot be used"),
    model.BadCounts: Problem(500, 1011, "bad-counts", "The steps do not fit the network"),
    model.ExportFailed: Problem(500, 1011, "export-failed", "The network could not be prepared"),
    model.NotConvertible: Problem(422, 1008, "not-convertible", "The network cannot be converted"),
    model.BadCalibration: Problem(422, 1008, "bad-calibration", "The calibration data cannot be used"),
    model.BadCheckpoint: Problem(422, 1008, "bad-checkpoint", "The checkpoint cannot be read"),
    model.HostileCheckpoint: Problem(422, 1008, "hostile-checkpoint", "The checkpoint is hostile"),
    model.ModelError: Problem(500, 1011, "model", "The model failed"),
}

_BY_NAME: dict[str, type[Exception]] = {kind.__name__: kind for kind in PROBLEMS}


def problem_of(error: BaseException) -> Problem:
    """The row of the nearest class of `error`; `INTERNAL` for an error of no known tree."""
    for kind in type(error).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind]
    return INTERNAL


def error_message(error: BaseException, *, fatal: bool) -> dict[str, object]:
    """The WebSocket message `error {code, message, fatal}`; what is not ours is not shown."""
    problem = problem_of(error)
    text = problem.title if problem is INTERNAL else str(error)
    return {"type": "error", "code": problem.slug, "message": text, "fatal": fatal}


def to_wire(error: BaseException) -> dict[str, str]:
    """`error` as class name and message, for another process."""
    for kind in type(error).__mro__:
        if _BY_NAME.get(kind.__name__) is kind:
            return {"error": kind.__name__, "message": str(error)}
    return {"error": "ServiceError", "message": f"{type(error).__name__}: {error}"}


def from_wire(wire: dict[str, str]) -> Exception:
    """The error that `to_wire` wrote; a name of no known class becomes a plain `ServiceError`."""
    kind = _BY_NAME.get(wire["error"], ServiceError)
    return kind(wire["message"])
