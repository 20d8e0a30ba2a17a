"""Settings of the service: one table, read from the environment (`SPIKESIGHT_PORT=9000`).

Every field carries its unit and help; `settings_table` gives the rows that `docs/settings.md` must show.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "SPIKESIGHT_"


def _row(default: Any, unit: str, help_: str, **limits: Any) -> Any:
    return Field(default, description=help_, json_schema_extra={"unit": unit}, **limits)


class Settings(BaseSettings):
    """All settings; each may be given as `SPIKESIGHT_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    # network
    host: str = _row(
        "127.0.0.1", "address", "Address to listen on; 0.0.0.0 opens the service to the network."
    )
    port: int = _row(8000, "port", "Port to listen on; 0 picks a free one.", ge=0, le=65_535)
    token: SecretStr | None = _row(
        None, "text", "Bearer token that every request but health checks must carry; empty for none."
    )
    cors_origins: list[str] = _row(
        [], "origins", "Origins, besides our own page, that browsers may call from."
    )
    log_level: Literal["debug", "info", "warning", "error"] = _row(
        "info", "level", "Least level that is logged."
    )
    log_format: Literal["auto", "console", "json"] = _row(
        "auto", "name", "Form of log lines; auto is console on a terminal and json elsewhere."
    )

    # model and device
    model: str = _row("ems-nano", "name", "Model loaded at the start and used where a request names none.")
    live_model: str | None = _row(
        None,
        "name",
        "Model of live streams where none is named; empty for the rolling form of `model` (its name and "
        "-rolling) where there is one, else `model`.",
    )
    models_dir: Path | None = _row(
        None,
        "path",
        "Folder with models besides those that come along, NAME.json beside NAME.safetensors; of one name, "
        "these are meant.",
    )
    engine: Literal["onnx", "torch"] = _row("onnx", "name", "What runs the network.")
    device: str = _row("cpu", "name", "Device of the inference worker: cpu, cuda or cuda:N.")
    threads: int = _row(1, "threads", "Threads of the inference worker's engine.", ge=1, le=256)
    max_batch: int = _row(16, "rows", "Most rows of one batch.", ge=1, le=1024)
    max_models: int = _row(
        2, "models", "Most models held in memory; the one unused longest goes first.", ge=1, le=64
    )
    worker_start_s: float = _row(
        180.0, "s", "Longest start of the inference worker, warm-up and first export included.", gt=0
    )
    worker_redo: int = _row(
        2, "times", "How often an upload is taken up again after the worker died, before it gets a 503.", ge=0
    )

    # database
    database_url: SecretStr | None = _row(
        None,
        "URL",
        "Database of streams, zones, alarms and history: postgresql://user:password@host/name, or "
        "sqlite:////path.db; empty for SQLite in the data folder.",
    )
    history_interval_ms: int = _row(
        200, "ms", "Boxes of at most one answer each so long are kept, per stream; 0 for all answers.", ge=0
    )
    history_days: float = _row(30.0, "days", "History older than this is forgotten.", gt=0, le=36_500)
    history_max_mb: int = _row(
        1024, "MiB", "Most room for history, then the oldest is forgotten; 0 keeps none.", ge=0
    )

    # uploads
    data_dir: Path | None = _row(
        None, "path", "Folder for spooled uploads and job results; empty for a temporary one."
    )
    max_upload_bytes: int = _row(2 << 30, "bytes", "Largest upload.", ge=1)
    sync_limit_bytes: int = _row(
        64 << 20, "bytes", "Largest upload answered at once; larger ones become jobs.", ge=0
    )
    deadline_s: float = _row(120.0, "s", "Longest synchronous answer, then 504.", gt=0)
    upload_idle_s: float = _row(
        30.0, "s", "Longest pause of an upload between two of its bytes, then 408.", gt=0
    )
    disk_reserve_bytes: int = _row(
        256 << 20, "bytes", "Free disk that uploads may never use; past it they get a 507.", ge=0
    )
    max_recordings: int = _row(
        32, "recordings", "Recordings kept by POST /recordings; the one unused longest goes first.", ge=1
    )
    max_uploads: int = _row(2, "uploads", "Uploads worked on at the same time.", ge=1, le=64)
    max_waiting_uploads: int = _row(32, "uploads", "Uploads that may wait for their turn, then 503.", ge=0)
    upload_queue_steps: int = _row(
        16, "steps", "Steps an upload may be parsed ahead of the network.", ge=2, le=1024
    )
    parse_max_events: int = _row(2_000_000_000, "events", "Most events of one upload.", ge=1)
    parse_max_duration_s: float = _row(3600.0, "s", "Longest recording, in its own time.", gt=0)
    parse_memory_mb: int = _row(1024, "MiB", "Most memory of the process that parses an upload.", ge=128)
    parse_cpu_s: float = _row(600.0, "s", "Most CPU time of the process that parses an upload.", gt=0)
    parse_wall_s: float = _row(1800.0, "s", "Longest parsing of one upload.", gt=0)
    max_jobs: int = _row(64, "jobs", "Jobs kept, finished ones included.", ge=1)
    job_ttl_s: float = _row(3600.0, "s", "How long a finished job and its result are kept.", gt=0)

    # streams
    recordings_dir: Path | None = _row(
        None, "path", "Folder whose recordings may be replayed as streams (file://...); empty for none."
    )
    max_streams: int = _row(16, "streams", "Streams that run at the same time, then 429.", ge=1, le=1024)
    live_queue_steps: int = _row(
        20,
        "steps",
        "Steps of a live stream that may wait for the network; older windows are dropped.",
        ge=2,
        le=1024,
    )
    stream_silent_s: float = _row(
        60.0, "s", "A stream not kept whose source gives nothing for this long is ended.", gt=0
    )
    stream_unwatched_s: float = _row(
        600.0,
        "s",
        "A stream not kept that nobody watches for this long is ended; 0 for never.",
        ge=0,
    )
    status_s: float = _row(1.0, "s", "Time between two `status` messages.", gt=0)
    picture_fps: float = _row(30.0, "1/s", "Most event pictures a second and stream.", gt=0, le=30)
    max_frame_bytes: int = _row(4 << 20, "bytes", "Longest binary WebSocket frame.", ge=18)
    viewer_queue: int = _row(
        32, "messages", "Answers that may wait for one viewer; older ones are dropped.", ge=1
    )
    viewer_stall_s: float = _row(10.0, "s", "A viewer that takes nothing for this long is closed.", gt=0)

    # zones and alarms
    max_zones: int = _row(64, "zones", "Zones and lines of one stream.", ge=1, le=1000)
    max_alarms: int = _row(100, "alarms", "Alarms that may be set up.", ge=1, le=1000)
    raised_alarms: int = _row(
        1000, "alarms", "Raised alarms that are remembered; the oldest is forgotten first.", ge=1, le=100_000
    )
    alarm_queue: int = _row(
        1000,
        "deliveries",
        "Deliveries of alarms that may wait; the oldest becomes a dead letter first.",
        ge=1,
        le=100_000,
    )
    alarm_letters: int = _row(
        1000, "letters", "Dead letters that are kept; the oldest is forgotten first.", ge=1, le=100_000
    )
    alarm_attempts: int = _row(
        10, "times", "How often a delivery is tried before it becomes a dead letter.", ge=1, le=1000
    )
    alarm_timeout_s: float = _row(10.0, "s", "Longest attempt to deliver an alarm.", gt=0, le=60)
    alarm_wait_s: float = _row(
        2.0, "s", "Wait after the first failed delivery of an alarm; doubled after each.", gt=0
    )
    alarm_longest_wait_s: float = _row(600.0, "s", "Longest wait between two deliveries.", gt=0)
    alarm_private_addresses: bool = _row(
        True, "yes or no", "Whether alarms may be sent to private addresses and to this machine."
    )
    alarm_ca_file: Path | None = _row(
        None, "path", "Certificates trusted for https:// and mqtts://, besides the system's; empty for none."
    )

    # clips
    ring_seconds: float = _row(
        10.0, "s", "Events kept in memory by each live stream, for clips that begin before now.", ge=0, le=600
    )
    ring_max_mb: int = _row(64, "MiB", "Most memory of one stream's kept events.", ge=1, le=65_536)
    clips_format: Literal["aedat4", "evt3"] = _row(
        "evt3", "name", "Format of a clip's events where none is asked for."
    )
    clips_longest_s: float = _row(600.0, "s", "Longest clip after it was asked for.", gt=0, le=86_400)
    clips_max_mb: int = _row(
        2048, "MiB", "Most disk of all clips, those being written included; the oldest go first.", ge=1
    )

    shutdown_s: float = _row(5.0, "s", "Longest orderly shutdown; what still runs is then killed.", gt=0)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of the table: environment variable, default as text, unit, help."""

    variable: str
    default: str
    unit: str
    help: str

    def __str__(self) -> str:
        """The row as `docs/settings.md` has it."""
        default = f"`{self.default}`" if self.default else ""
        return f"| `{self.variable}` | {default} | {self.unit} | {self.help} |"


def settings_table() -> list[SettingRow]:
    """All settings in the order of the class."""
    return [_table_row(name, info) for name, info in Settings.model_fields.items()]


def _table_row(name: str, info: Any) -> SettingRow:
    default = "" if info.default is None else str(info.default)
    return SettingRow(PREFIX + name.upper(), default, info.json_schema_extra["unit"], info.description)
