"""What goes over the wire, as pydantic models: they check requests and describe answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.options import MAX_STRIDE, DetectOptions, Policy, StreamSpec
from service.problems import MEDIA_TYPE


def _range(kind: str, least: int, most: int) -> Any:
    """Checks that name the whole range; pydantic's own tell one end of it, and of NaN none."""

    def check(value: float) -> float:
        if not least <= value <= most:
            raise ValueError(f"must be a {kind} from {least} to {most}")
        return value

    return AfterValidator(check), Field(json_schema_extra={"minimum": least, "maximum": most})


Fraction = Annotated[float, *_range("number", 0, 1)]
Side = Annotated[int, *_range("whole number", 1, 65_535)]
Stride = Annotated[int, *_range("whole number", 1, MAX_STRIDE)]
TimeUs = Annotated[int, *_range("whole number", 0, 1 << 61)]
ModelName = Annotated[str, Field(min_length=1, max_length=100)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class _Asked(BaseModel):
    # A misspelt setting must not be passed over: the answer would look right and be wrong.
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class DetectQuery(_Asked):
    """Query of `POST /detect`."""

    model: ModelName | None = Field(
        None, description="Name of a model of /models; default the setting `model`."
    )
    threshold: Fraction | None = Field(None, description="Least score of a box; default the model card's.")
    iou: Fraction | None = Field(
        None, description="Largest overlap of two boxes of one label; default the card's."
    )
    stride: Stride | None = Field(None, description="Steps between two answers; default the model's T.")
    start_us: TimeUs | None = Field(None, description="First time to look at, from the first event.")
    end_us: TimeUs | None = Field(None, description="Time to stop before, from the first event.")
    width: Side | None = Field(None, description="Columns of the sensor, where the recording does not say.")
    height: Side | None = Field(None, description="Rows of the sensor, where the recording does not say.")
    format: Annotated[str, Field(max_length=20)] | None = Field(
        None, description="Format of the recording; default sniffed from its content."
    )
    track: bool = Field(False, description="Give boxes ids that last.")
    recording: Id | None = Field(None, description="Look at this recording or clip, not at the body.")
    name: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Name of a raw body's recording."
    )

    def options(self, model: str) -> DetectOptions:
        """Raises `BadSetting` where two values do not fit together."""
        chosen = self.model_dump(exclude={"recording", "name", "model"})
        return DetectOptions(model=model, **chosen)


class KeepQuery(_Asked):
    """Query of `POST /recordings`."""

    name: Annotated[str, Field(max_length=100)] | None = Field(None, description="Shown to people.")
    width: Side | None = Field(None, description="Columns of the sensor, where the recording does not say.")
    height: Side | None = Field(None, description="Rows of the sensor, where the recording does not say.")
    format: Annotated[str, Field(max_length=20)] | None = Field(
        None, description="Format of the recording; default sniffed from its content."
    )


class StreamRequest(_Asked):
    """Body of `POST /streams`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"source": "sim://street?seed=1"},
                {"source": "sim://street?seed=7", "threshold": 0.4},
            ]
        }
    )
    source: Annotated[str, Field(min_length=1, max_length=2000)] = Field(
        description="dv://host:port, usb://any, udp://:9999?width=640&height=480, sim://street?seed=1, "
        "recording://ID?speed=1&loop=1, or file:///path in `recordings_dir`."
    )
    name: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    model: ModelName | None = None
    threshold: Fraction | None = None
    iou: Fraction | None = None
    stride: Stride | None = None
    policy: Policy = "drop_oldest"
    width: Side | None = None
    height: Side | None = None
    track: bool = Field(True, description="Give boxes ids that last.")
    keep: bool | None = Field(
        None,
        description="Run on when nobody watches, and again after a restart; default for dv://, usb:// and "
        "udp://, not for others.",
    )

    def spec(self, source: str, model: str, size: tuple[int | None, int | None]) -> StreamSpec:
        """Args: the resolved source, the model's name, and the sensor's size where it is known already."""
        chosen = self.model_dump(exclude={"source", "model", "width", "height", "keep"})
        width, height = self.width or size[0], self.height or size[1]
        spec = StreamSpec(source=source, model=model, width=width, height=height, **chosen)
        return replace(spec, keep=spec.linked if self.keep is None else self.keep)


class StreamChange(_Asked):
    """Body of `PATCH /streams/{id}`; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"threshold": 0.4}]})
    threshold: Fraction | None = None
    iou: Fraction | None = None
    model: ModelName | None = None
    policy: Policy | None = None
    track: bool | None = None


class Box(_Told):
    xyxy: tuple[float, float, float, float] = Field(description="Left, top, right, bottom; sensor pixels.")
    label: str
    score: float
    track_id: int | None = None


class Latency(_Told):
    """Milliseconds by stage."""

    arrive: float | None
    queue: float
    encode: float
    infer: float
    post: float
    total: float


class Spikes(_Told):
    rate: float = Field(description="Spikes per neuron and step.")
    synops: float
    energy_mj: float


class Dropped(_Told):
    steps: int
    events: int


class Answer(_Told):
    """Boxes at one time."""

    type: Literal["detections"]
    seq: int
    t_us: tuple[int, int]
    steps: int
    joined: int = Field(description="Steps that were run as one with the step before them.")
    events: int
    latency_ms: Latency
    behind_ms: float
    clock: Literal["source", "arrival"] | None
    boxes: list[Box]
    spikes: Spikes
    dropped: Dropped
    device: str


class Recording(_Told):
    name: str
    size_bytes: int
    format: str
    width: int
    height: int


class Summary(_Told):
    answers: int
    boxes: int
    events: int
    t_us: tuple[int, int] | None
    synops: float
    energy_mj: float
    elapsed_s: float


class Detection(_Told):
    """All answers of a recording."""

    recording: Recording
    model: str
    device: str
    answers: list[Answer]
    summary: Summary


class Problem(_Told):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[dict[str, Any]] | None = None


class JobProblem(_Told):
    type: str
    title: str
    status: int
    detail: str


class JobState(_Told):
    id: Id
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    progress: float = Field(ge=0, le=1)
    eta_s: float | None
    answers: int
    model: str
    name: str
    created: datetime
    problem: JobProblem | None


class JobList(_Told):
    jobs: list[JobState]


class KeptRecording(_Told):
    id: Id
    name: str
    size_bytes: int
    format: str
    width: int
    height: int
    events: int
    first_t_us: int | None
    last_t_us: int | None
    duration_us: int
    created: datetime


class KeptRecordings(_Told):
    recordings: list[KeptRecording]


class StreamState(_Told):
    model_config = ConfigDict(extra="allow")
    id: str
    name: str
    source: str
    model: str
    threshold: float
    iou: float


class StreamList(_Told):
    streams: list[StreamState]


class ModelCard(_Told):
    model_config = ConfigDict(extra="allow")
    name: str
    classes: list[str]
    step_us: int
    steps: int


class ModelList(_Told):
    default: str
    live_default: str
    models: list[ModelCard]


class Alive(_Told):
    status: Literal["alive"]


class Health(_Told):
    model_config = ConfigDict(extra="allow")
    ready: bool


_BINARY = {"schema": {"type": "string", "format": "binary"}}
DETECT_BODY: dict[str, Any] = {
    "description": "The recording: as the body, or as the part `file` of a form.",
    "content": {
        "application/octet-stream": _BINARY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}
_MEANING = {
    400: "The body is no text.",
    401: "No token, or a wrong one.",
    403: "Not from here, or not this path.",
    404: "There is no such thing; the detail names what there is.",
    405: "This method is not allowed here; `Allow` names what is.",
    408: "The upload stalled.",
    409: "Not in this state.",
    413: "Too large.",
    415: "Unknown format; the detail names the known ones.",
    422: "A broken recording or a value out of its range.",
    429: "Too many streams; `Retry-After` says when to try again.",
    500: "Our fault; `request_id` finds it in the log.",
    501: "An optional part is not installed; the detail names it.",
    503: "Queue full or worker restarting; `Retry-After` says when to try again.",
    504: "Past the deadline.",
    507: "No room left for uploads.",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI answers for problems of these statuses."""
    return {
        status: {
            "description": _MEANING[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }
