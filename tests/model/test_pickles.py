"""Pickles are read without running them: hostile ones are refused by name, broken ones clearly."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path

import pytest

from model.checkpoints import read_checkpoint
from model.errors import BadCheckpoint, HostileCheckpoint
from model.pickles import Instance, read_pickle
from tests.model.official import Calls, write_archive


def raw(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


NESTED_TUPLES = 2_000
LAUGHS = b"]" + b"".join(b"q" + bytes([i]) + b"](" + (b"h" + bytes([i])) * 10 + b"e" for i in range(60))

HOSTILE_PICKLES = {
    "os.system by REDUCE": (pickle.dumps({"model": Calls(os.system, "false")}, 2), "'posix.system'"),
    "eval by REDUCE": (pickle.dumps({"model": Calls(eval, "1")}, 2), "'__builtin__.eval'"),
    "getattr": (pickle.dumps([Calls(getattr, 1, "real")], 2), "'__builtin__.getattr'"),
    "subprocess": (raw(b"csubprocess\nPopen\n", b"]\x85R"), "'subprocess.Popen'"),
    "global with dots": (raw(b"cos\npath.join\n", b")R"), "'os.path.join'"),
    "torch.load": (raw(b"ctorch\nload\n", b")R"), "'torch.load'"),
    "torch.hub": (raw(b"ctorch.hub\nload\n", b")R"), "'torch.hub.load'"),
    "numpy from file": (raw(b"cnumpy\nfromfile\n", b")R"), "'numpy.fromfile'"),
    "runpy": (raw(b"crunpy\n_run_code\n", b")R"), "'runpy._run_code'"),
    "STACK_GLOBAL": (pickle.dumps(Calls(os.system, "false"), 4), "opcode (SHORT_BINUNICODE|FRAME)"),
    "bare STACK_GLOBAL": (raw(b"X\x05\0\0\0posix", b"X\x06\0\0\0system", b"\x93"), "opcode STACK_GLOBAL"),
    "INST": (raw(b"(S'false'\nios\nsystem\n"), "opcode STRING"),
    "bare INST": (raw(b"(ios\nsystem\n"), "opcode INST"),
    "OBJ": (raw(b"(cmodels.yolo\nModel\no"), "opcode OBJ"),
    "EXT1": (raw(b"\x82\x01"), "opcode EXT1"),
    "EXT4": (raw(b"\x84\x01\0\0\0"), "opcode EXT4"),
    "NEWOBJ_EX": (raw(b"cmodels.yolo\nModel\n)}\x92"), "opcode NEWOBJ_EX"),
    "PERSID": (raw(b"P0\n"), "opcode PERSID"),
    "NEXT_BUFFER": (raw(b"\x97"), "opcode NEXT_BUFFER"),
    "REDUCE on a list": (raw(b"])R"), "REDUCE calls a list"),
    "REDUCE with a list": (raw(b"ccollections\nOrderedDict\n]R"), "with a list"),
    "NEWOBJ on an instance": (raw(b"cmodels.yolo\nModel\n)\x81)\x81"), "calls a Instance"),
    "BUILD on a class": (raw(b"cmodels.yolo\nModel\n}b"), "state of a Global"),
    "BUILD on a tuple": (raw(b")}b"), "state of a tuple"),
    "items of an instance": (raw(b"cmodels.yolo\nModel\n)\x81(K\x01K\x02u"), "set on a Instance"),
    "append to an instance": (raw(b"cmodels.yolo\nModel\n)\x81K\x01a"), "appended to a Instance"),
    "tuple as key": (raw(b"}", b")" * 1, b"\x85" * NESTED_TUPLES, b"Ns"), "a tuple as key"),
    "colliding keys": (raw(b"}\x8a\x08" + b"\xff" * 7 + b"\x1fNs"), "a int as key"),
    "opcodes without end": (raw(b"N0" * 600_000), "more than 1000000 opcodes"),
}


@pytest.mark.parametrize("name", HOSTILE_PICKLES)
def test_hostile_pickles_are_refused_by_name(name: str, tmp_path: Path) -> None:
    data, message = HOSTILE_PICKLES[name]
    with pytest.raises(HostileCheckpoint, match=message):
        read_checkpoint(write_archive(tmp_path / "x.pt", data))


def test_nothing_of_a_hostile_pickle_runs(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    command = f"touch {trace}"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps({"model": Calls(os.system, command)}, protocol)
        with pytest.raises(HostileCheckpoint):
            read_checkpoint(write_archive(tmp_path / f"{protocol}.pt", data))
    assert not trace.exists()


BROKEN_PICKLES = {
    "empty": (b"", "broken"),
    "text": (b"hello world", "broken"),
    "cut off": (pickle.dumps({"model": list(range(99))}, 2)[:-9], "broken"),
    "stack underflow": (raw(b"\x86"), "too few"),
    "missing memo": (raw(b"h\x07"), "broken"),
    "no mark": (raw(b"Nt"), "no mark"),
    "mark as value": (raw(b"(q\x00"), "a mark"),
    "odd items": (raw(b"}(K\x01u"), "broken"),
    "two values": (raw(b"NN"), "leaves 2 values"),
    "huge string claim": (raw(b"X\xff\xff\xff\x7fabc"), "broken"),
    "deep nesting": (raw(b"]" + b"\x85" * 900_000), "is a dict with 'model'"),
    "shared lists, exponentially": (raw(LAUGHS), "holds? a list|leaves"),
    "no network": (pickle.dumps({"epoch": 3}, 2), "neither 'ema' nor 'model'"),
    "a state dict": (pickle.dumps(collections.OrderedDict(a=1), 2), "bare state dicts lack the layout"),
}


@pytest.mark.parametrize("name", BROKEN_PICKLES)
def test_broken_pickles_are_refused(name: str, tmp_path: Path) -> None:
    data, message = BROKEN_PICKLES[name]
    with pytest.raises(BadCheckpoint, match=message):
        read_checkpoint(write_archive(tmp_path / "x.pt", data))


def test_a_class_becomes_its_name_arguments_and_state() -> None:
    value = read_pickle(raw(b"cmodels.common\nConv\n)\x81}X\x01\0\0\0aK\x05sb"))
    assert isinstance(value, Instance)
    assert (value.kind, value.args, value.state) == ("models.common.Conv", (), {"a": 5})
