"""A reader of pickles that runs nothing.

`read_pickle` interprets the opcodes that torch.save writes (pickle protocol 2) into plain values. It never
imports what a pickle names: a class becomes an `Instance` that only holds its name, arguments and state, and
a name that no checkpoint of the published code needs is refused. Containers may be shared or contain
themselves, as in any pickle, so whoever walks the result must bound the walk.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model.errors import BadCheckpoint, HostileCheckpoint

MAX_PICKLE_BYTES = 16 << 20
MAX_OPCODES = 1_000_000

_ALLOWED_GLOBALS = frozenset(
    {
        "collections.OrderedDict",
        "__builtin__.set",
        "builtins.set",
        "_codecs.encode",  # how protocol 2 writes bytes; held as a name like the others, never called
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "torch.Size",
        "torch.device",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy._core.multiarray._reconstruct",
    }
)
_ALLOWED_PACKAGES = ("models.", "torch.nn.")
_STORAGES = tuple(
    f"torch.{kind}Storage"
    for kind in ("Float", "Half", "Double", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
)
_DTYPES = tuple(f"torch.{kind}" for kind in ("float32", "float16", "float64", "bfloat16", "int64", "int32"))


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function; never looked up."""

    name: str


@dataclass(slots=True, eq=False)
class Instance:
    """What a pickle would have built by calling `kind(*args)` and handing it `state`."""

    kind: str
    args: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """A reference to data outside the pickle: the tuple that torch wrote."""

    key: Any


class _Mark:
    """Where a run of items begins on the stack."""


def read_pickle(data: bytes) -> Any:
    """The value of a pickle: plain Python values, `Instance`, `Global` and `Persistent`.

    Raises:
        HostileCheckpoint: an opcode or a global that no checkpoint needs, or more of them than any has; it is
            named. Nothing of the pickle has run.
        BadCheckpoint: the bytes are cut off or no pickle.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise HostileCheckpoint(f"the pickle is {len(data)} bytes; checkpoints stay below {MAX_PICKLE_BYTES}")
    machine = _Machine()
    try:
        for count, (opcode, argument, position) in enumerate(pickletools.genops(io.BytesIO(data))):
            if count >= MAX_OPCODES:
                raise HostileCheckpoint(f"more than {MAX_OPCODES} opcodes; no checkpoint has so many")
            machine.run(opcode.name, argument, position)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise BadCheckpoint(f"the pickle is broken: {type(error).__name__}: {error}") from error
    return machine.result()


class _Machine:
    """The stack and memo of a pickle; one method for each kind of opcode."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, name: str, argument: Any, position: int | None) -> None:
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        elif name not in _IGNORED:
            raise HostileCheckpoint(f"opcode {name} at byte {position}; checkpoints do not use it")

    def result(self) -> Any:
        if len(self.stack) != 1 or self.stack[0] is _Mark:
            raise BadCheckpoint(f"the pickle leaves {len(self.stack)} values where one is expected")
        return self.stack[0]

    def items(self) -> list[Any]:
        """Everything above the topmost mark, which goes too."""
        start = len(self.stack) - 1
        while self.stack[start] is not _Mark:
            start -= 1
            if start < 0:
                raise ValueError("no mark on the stack")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def take(self, count: int) -> list[Any]:
        if len(self.stack) < count or _Mark in self.stack[-count:]:
            raise ValueError("the stack holds too few values")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def mark(self, _: Any) -> None:
        self.stack.append(_Mark)

    def put(self, index: int) -> None:
        self.memo[index] = self.top()

    def top(self) -> Any:
        value = self.stack[-1]
        if value is _Mark:
            raise ValueError("a mark where a value is expected")
        return value

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def global_(self, name: str) -> None:
        self.stack.append(Global(_allowed(name.replace(" ", ".", 1))))

    def persistent(self, _: Any) -> None:
        (key,) = self.take(1)
        self.stack.append(Persistent(key))

    def reduce(self, _: Any) -> None:
        function, args = self.take(2)
        if not isinstance(function, Global) or not isinstance(args, tuple):
            raise HostileCheckpoint(
                f"REDUCE calls a {type(function).__name__} with a {type(args).__name__}; "
                f"checkpoints call named classes with a tuple"
            )
        plain = function.name == "collections.OrderedDict" and not args
        self.stack.append({} if plain else Instance(function.name, args))

    def build(self, _: Any) -> None:
        target, state = self.take(2)
        if isinstance(target, Instance):
            target.state = state
        elif not isinstance(target, dict):  # an OrderedDict's attributes (`_metadata`) are not needed
            raise HostileCheckpoint(f"BUILD sets the state of a {type(target).__name__}")
        self.stack.append(target)

    def tuple_of(self, count: int) -> None:
        self.stack.append(tuple(self.take(count)) if count else ())

    def append(self, _: Any) -> None:
        (item,) = self.take(1)
        self.extend([item])

    def extend(self, items: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise HostileCheckpoint(f"items are appended to a {type(target).__name__}; only lists take them")
        target.extend(items)

    def set_items(self, flat: list[Any]) -> None:
        target = self.top()
        if not isinstance(target, dict):
            raise HostileCheckpoint(f"items are set on a {type(target).__name__}; only dicts take them")
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            # Hashing a tuple walks it, and shared tuples make that walk as long as an attacker likes; large
            # integers can be chosen to collide.
            if not isinstance(key, str) and not (isinstance(key, int) and 0 <= key < 1 << 31):
                raise HostileCheckpoint(
                    f"a {type(key).__name__} as key; checkpoints use text and small numbers"
                )
            target[key] = value


def _allowed(name: str) -> str:
    known = name in _ALLOWED_GLOBALS or name in _STORAGES or name in _DTYPES
    if not known and not name.startswith(_ALLOWED_PACKAGES):
        raise HostileCheckpoint(
            f"the pickle asks for {name[:100]!r}, which no checkpoint of the published code needs"
        )
    return name


_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}

_LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "BINSTRING"}
)

_IGNORED = frozenset({"PROTO", "STOP"})

_ACTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.global_,
    "BINPERSID": _Machine.persistent,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "BUILD": _Machine.build,
    "EMPTY_TUPLE": lambda m, _: m.tuple_of(0),
    "TUPLE1": lambda m, _: m.tuple_of(1),
    "TUPLE2": lambda m, _: m.tuple_of(2),
    "TUPLE3": lambda m, _: m.tuple_of(3),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.items())),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "APPEND": _Machine.append,
    "APPENDS": lambda m, _: m.extend(m.items()),
    "SETITEM": lambda m, _: m.set_items(m.take(2)),
    "SETITEMS": lambda m, _: m.set_items(m.items()),
    "POP": lambda m, _: m.stack.pop(),
}
