"""The tables as the last migration leaves them, for queries.

Rows of history are kept in the order of (wall_us, stream, number), which is unique and what pages go by; an
index over (stream, wall_us) finds those of one stream. They are small, because there are many:

- `wall_us` is the time of day in microseconds, `t_us` the events' own.
- `stream` is a key of `watched`, `label` one of `labels`.
- sides of boxes are hundredths of a pixel (`_cpx`), scores ten-thousandths (`_e4`), as messages have them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, UniqueConstraint

metadata = MetaData()

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("since_us", BigInteger, nullable=False),
)
documents = Table(
    "documents",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
)
# Streams that left history; they outlive the streams themselves, until their last row is too old.
watched = Table(
    "watched",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("stream_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    UniqueConstraint("stream_id"),
)
labels = Table(
    "labels",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    UniqueConstraint("label"),
)
detections = Table(
    "detections",
    metadata,
    Column("wall_us", BigInteger, primary_key=True),
    Column("stream", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),  # of the box in its answer
    Column("t_us", BigInteger, nullable=False),
    Column("label", Integer, nullable=False),
    Column("score_e4", Integer, nullable=False),
    Column("left_cpx", Integer, nullable=False),
    Column("top_cpx", Integer, nullable=False),
    Column("right_cpx", Integer, nullable=False),
    Column("bottom_cpx", Integer, nullable=False),
    Column("track_id", BigInteger),
    Index("detections_of_stream", "stream", "wall_us"),
    sqlite_with_rowid=False,
)
# Boxes, and tracks that they are the first of, in spans of `TALLY_US` that begin at `wall_us`.
tallies = Table(
    "tallies",
    metadata,
    Column("wall_us", BigInteger, primary_key=True),
    Column("stream", Integer, primary_key=True),
    Column("label", Integer, primary_key=True),
    Column("boxes", BigInteger, nullable=False),
    Column("tracks", BigInteger, nullable=False),
    Index("tallies_of_stream", "stream", "wall_us"),
    sqlite_with_rowid=False,
)
TALLY_US = 10_000_000
tracks = Table(
    "tracks",
    metadata,
    Column("wall_us", BigInteger, primary_key=True),  # of its end
    Column("stream", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True),  # the track's id
    Column("begun_wall_us", BigInteger, nullable=False),
    Column("begun_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("label", Integer, nullable=False),
    Column("votes", Text, nullable=False),
    Column("boxes", Integer, nullable=False),
    Column("best_e4", Integer, nullable=False),
    Column("path", Text, nullable=False),
    Index("tracks_of_stream", "stream", "wall_us"),
    Index("tracks_by_id", "stream", "number"),
    sqlite_with_rowid=False,
)
happenings = Table(
    "happenings",
    metadata,
    Column("wall_us", BigInteger, primary_key=True),
    Column("stream", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),  # always 0: times of one stream differ
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("happenings_of_stream", "stream", "wall_us"),
    sqlite_with_rowid=False,
)
HISTORY = (detections, tracks, happenings)
