"""Official checkpoints come in whole; hostile and broken ones are refused by name, and none of it runs."""

from __future__ import annotations

import collections
import io
import json
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.checkpoints import read_checkpoint
from model.errors import BadCheckpoint, HostileCheckpoint
from tests.model.official import Calls, official_classes, write_archive, write_checkpoint

ANCHORS = [[10, 14, 23, 27, 37, 58], [81, 82, 135, 169, 216, 269]]
YAML = {"nc": 2, "ch": 3, "anchors": ANCHORS, "backbone": [[-1, 1, "Conv_2", [32, 3, 2]]], "head": []}
Tensors = dict[str, np.ndarray]
Kind = type[torch.nn.Module]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tensors]:
    path = tmp_path_factory.mktemp("released") / "res10.pt"
    return path, write_checkpoint(path, YAML)


def test_every_tensor_and_attribute_comes_out_exactly(released: tuple[Path, Tensors]) -> None:
    path, tensors = released
    checkpoint = read_checkpoint(path)
    assert list(checkpoint.tensors) == list(tensors)
    assert len(tensors) == 155
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], tensor, strict=True)
    assert checkpoint.yaml == YAML
    assert (checkpoint.names, checkpoint.stride, checkpoint.epoch) == (
        ("car", "pedestrian"),
        (16.0, 32.0),
        -1,
    )


def test_the_averaged_weights_of_a_training_checkpoint_are_preferred(tmp_path: Path) -> None:
    tensors = write_checkpoint(tmp_path / "last.pt", YAML, ema=True)
    checkpoint = read_checkpoint(tmp_path / "last.pt")
    assert checkpoint.epoch == 7
    assert checkpoint.names == ("car", "pedestrian")
    np.testing.assert_array_equal(checkpoint.tensors["model.0.conv.weight"], tensors["model.0.conv.weight"])


def test_half_precision_comes_out_as_float32(tmp_path: Path) -> None:
    tensors = write_checkpoint(tmp_path / "half.pt", YAML, half=True)
    checkpoint = read_checkpoint(tmp_path / "half.pt")
    for name, tensor in tensors.items():
        wanted = np.float32 if tensor.dtype == np.float16 else tensor.dtype
        np.testing.assert_array_equal(checkpoint.tensors[name], tensor.astype(wanted), strict=True)


def test_reading_needs_neither_torch_nor_the_published_code(released: tuple[Path, Tensors]) -> None:
    code = (
        "import sys; from model.checkpoints import read_checkpoint; "
        f"print(len(read_checkpoint({str(released[0])!r}).tensors)); "
        "assert not {'torch', 'models'} & {name.split('.')[0] for name in sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "155\n"), done.stderr


# --- archives -----------------------------------------------------------------------------------------------


def content_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as source:
        return {entry.filename: source.read(entry) for entry in source.infolist()}


def rewritten(
    source: Path, target: Path, compression: int = zipfile.ZIP_STORED, **changed: bytes | None
) -> Path:
    content: dict[str, bytes | None] = {**content_of(source), **changed}
    with zipfile.ZipFile(target, "w", compression) as made:
        for name, data in content.items():
            if data is not None:
                made.writestr(name, data)
    return target


def test_a_rewritten_archive_still_reads(released: tuple[Path, Tensors], tmp_path: Path) -> None:
    assert len(read_checkpoint(rewritten(released[0], tmp_path / "same.pt")).tensors) == 155


def test_compressed_entries_are_refused(released: tuple[Path, Tensors], tmp_path: Path) -> None:
    with pytest.raises(HostileCheckpoint, match="stores entries uncompressed"):
        read_checkpoint(rewritten(released[0], tmp_path / "x.pt", zipfile.ZIP_DEFLATED))


def test_a_bomb_that_unpacks_to_a_gigabyte_is_refused_unread(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as made,
        made.open("net/data.pkl", "w", force_zip64=True) as entry,
    ):
        for _ in range(64):
            entry.write(bytes(1 << 20))
    with pytest.raises(HostileCheckpoint, match="claims 67108864 bytes"):
        read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "net/../../x", "a\\..\\b"])
def test_paths_out_of_the_archive_are_refused(
    released: tuple[Path, Tensors], tmp_path: Path, name: str
) -> None:
    with pytest.raises(HostileCheckpoint, match="points outside the archive"):
        read_checkpoint(rewritten(released[0], tmp_path / "x.pt", **{name: b"x"}))


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.writestr("net/data.pkl", b"a")
        made.writestr("net/data.pkl", b"b")
    with pytest.raises(HostileCheckpoint, match="one name"):
        read_checkpoint(tmp_path / "x.pt")


def test_a_claimed_size_beyond_the_file_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "x.pt", b"N.")
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 20 : directory + 28] = struct.pack("<II", 0x7FFFFFFF, 0x7FFFFFFF)
    path.write_bytes(data)
    with pytest.raises(HostileCheckpoint, match="claims 2147483647 bytes"):
        read_checkpoint(path)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_refused(released: tuple[Path, Tensors], tmp_path: Path, part: float) -> None:
    data = released[0].read_bytes()
    (tmp_path / "x.pt").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(BadCheckpoint, match="zip"):
        read_checkpoint(tmp_path / "x.pt")


def test_the_format_before_torch_1_6_is_named(tmp_path: Path) -> None:
    torch.save({"model": 1}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(BadCheckpoint, match=r"older than torch 1\.6"):
        read_checkpoint(tmp_path / "old.pt")


def test_other_archives_are_refused(released: tuple[Path, Tensors], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as made:
        made.writestr("readme.txt", "hello")
    with pytest.raises(BadCheckpoint, match=r"no NAME/data\.pkl"):
        read_checkpoint(tmp_path / "x.pt")
    script = rewritten(released[0], tmp_path / "y.pt", **{"res10/constants.pkl": b""})
    with pytest.raises(BadCheckpoint, match="TorchScript"):
        read_checkpoint(script)
    big = rewritten(released[0], tmp_path / "z.pt", **{"res10/byteorder": b"big"})
    with pytest.raises(BadCheckpoint, match="big-endian"):
        read_checkpoint(big)
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        read_checkpoint(tmp_path / "absent.pt")


def test_a_missing_or_short_storage_is_refused(released: tuple[Path, Tensors], tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="lacks 'data/0'"):
        read_checkpoint(rewritten(released[0], tmp_path / "x.pt", **{"res10/data/0": None}))
    with pytest.raises(HostileCheckpoint, match="claims 864 numbers"):
        read_checkpoint(rewritten(released[0], tmp_path / "y.pt", **{"res10/data/0": bytes(16)}))


# --- tensors ------------------------------------------------------------------------------------------------


def laughs(levels: int) -> Any:
    value: Any = [1]
    for _ in range(levels):
        value = [value] * 30
    return value


NESTED_LIST: Any = 1
for _ in range(100):
    NESTED_LIST = [NESTED_LIST]


class Storage:
    """A storage reference that pickles as torch's own."""

    def __init__(self, kind: str, key: Any, count: int) -> None:
        self.reference = ("storage", getattr(torch, kind), key, "cpu", count)


class StoragePickler(pickle.Pickler):
    def persistent_id(self, value: object) -> Any:
        return value.reference if isinstance(value, Storage) else None


def one_tensor(
    path: Path,
    storage: Storage,
    *view: Any,
    data: bytes = bytes(64),
    attributes: dict[str, Any] | None = None,
) -> Path:
    """A checkpoint whose network holds one tensor with this storage, offset, size and stride."""
    stream = io.BytesIO()
    tensor = Calls(torch._utils._rebuild_tensor_v2, storage, *view, False, collections.OrderedDict())
    known = {"yaml": {"nc": 1}, "names": ["a"], "stride": [16.0, 32.0], "_parameters": {"w": tensor}}
    with official_classes() as kinds:
        model = module(kinds["Model"], **known | (attributes or {}))
        StoragePickler(stream, 2).dump({"model": model})
    return write_archive(path, stream.getvalue(), {"0": data})


def test_strides_and_offsets_are_followed(tmp_path: Path) -> None:
    numbers = np.arange(16, dtype="<f4")
    view = (Storage("FloatStorage", "0", 16), 1, (3, 2), (1, 5))
    checkpoint = read_checkpoint(one_tensor(tmp_path / "x.pt", *view, data=numbers.tobytes()))
    wanted = torch.from_numpy(numbers.copy()).as_strided((3, 2), (1, 5), 1)
    np.testing.assert_array_equal(checkpoint.tensors["w"], wanted.numpy())


FLOATS = Storage("FloatStorage", "0", 16)
BAD_VIEWS = {
    "offset outside": ((FLOATS, 16, (1,), (1,)), "reaches outside its storage of 16 numbers"),
    "last element outside": ((FLOATS, 0, (4, 4), (5, 1)), "reaches outside"),
    "negative offset": ((FLOATS, -1, (4,), (1,)), "no such number"),
    "negative stride": ((FLOATS, 15, (4,), (-1,)), "no such number"),
    "negative size": ((FLOATS, 0, (-4,), (1,)), "no such number"),
    "repeats by stride 0": ((FLOATS, 0, (1 << 30,), (0,)), "reaches outside"),
    "terabytes": ((FLOATS, 0, (1 << 30, 1 << 10), (0, 0)), "reaches outside"),
    "beyond 64 bits": ((FLOATS, 0, (1 << 70,), (1,)), "no such number"),
    "too many dimensions": ((FLOATS, 0, (1,) * 9, (1,) * 9), "9 sizes"),
    "sizes without strides": ((FLOATS, 0, (2, 2), (2,)), "2 sizes and 1 strides"),
    "text as size": ((FLOATS, 0, ("4",), (1,)), "no such number"),
    "size is no tuple": ((FLOATS, 0, 4, 1), "no such number"),
    "claims more than stored": (
        (Storage("FloatStorage", "0", 1 << 40), 0, (1,), (1,)),
        "claims 1099511627776",
    ),
    "another type": ((Storage("DoubleStorage", "0", 16), 0, (1,), (1,)), "claims 16 numbers"),
    "path as key": (
        (Storage("FloatStorage", "../../etc/passwd", 16), 0, (1,), (1,)),
        "storages are numbered",
    ),
    "absent key": ((Storage("FloatStorage", "7", 16), 0, (1,), (1,)), "lacks 'data/7'"),
}


@pytest.mark.parametrize("name", BAD_VIEWS)
def test_views_outside_their_storage_are_refused(name: str, tmp_path: Path) -> None:
    view, message = BAD_VIEWS[name]
    with pytest.raises(BadCheckpoint, match=message):
        read_checkpoint(one_tensor(tmp_path / "x.pt", *view))


def module(kind: Kind, **state: Any) -> torch.nn.Module:
    made = kind()
    made.__dict__.update(state)
    return made


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"yaml": {"nc": laughs(7)}}, "larger or deeper than any layout"),
        ({"yaml": {"nc": NESTED_LIST}}, "larger or deeper than any layout"),
        ({"yaml": None}, "no `yaml` attribute"),
        ({"yaml": {"nc": b"2"}}, "the pickle|holds a"),
        ({"names": [1, 2]}, "no `names` attribute"),
        ({"names": []}, "no `names` attribute"),
        ({"stride": "16"}, "'stride' is not a pickled tensor"),
    ],
)
def test_attributes_that_make_no_sense_are_refused(
    attributes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(BadCheckpoint, match=message):
        read_checkpoint(one_tensor(tmp_path / "x.pt", FLOATS, 0, (4,), (1,), attributes=attributes))


def nested(kind: Kind) -> Any:
    inner = module(kind)
    for _ in range(40):
        inner = module(kind, _modules={"a": inner})
    return inner


def looped(kind: Kind) -> Any:
    made = module(kind)
    made.__dict__["_modules"] = {str(i): made for i in range(10)}
    return made


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (nested, HostileCheckpoint, "32 levels"),
        (looped, HostileCheckpoint, "32 levels"),
        (lambda kind: module(kind, _parameters=[1]), BadCheckpoint, "no table of names"),
        (lambda kind: module(kind, _parameters={"w": 5}), BadCheckpoint, "'w' is not a pickled tensor"),
        (lambda kind: module(kind, _modules={"a": 5}), BadCheckpoint, r"a\. is not a pickled module"),
        (module, BadCheckpoint, "no tensor"),
    ],
)
def test_networks_that_are_none_are_refused(
    make: Callable[[Kind], Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with official_classes() as kinds:
        data = pickle.dumps({"model": make(kinds["Model"])}, 2)
    with pytest.raises(error, match=message):
        read_checkpoint(write_archive(tmp_path / "x.pt", data))


@pytest.mark.shared
def test_the_reference_layout_is_read_from_inside(shared: Path, tmp_path: Path) -> None:
    yaml = json.loads((shared / "golden" / "meta.json").read_text())["res10-ee"]["yaml"]
    write_checkpoint(tmp_path / "x.pt", yaml)
    assert read_checkpoint(tmp_path / "x.pt").yaml == yaml
