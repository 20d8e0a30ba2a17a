"""`compiled`: typed numba kernels, compiled when their module is imported and cached on disk.

Kernels state their signatures, so that importing a module is all the warming a child process needs (the
forkserver imports them once, children inherit machine code), and so that a read-only or a writable column
takes the same compiled code. Arrays must be contiguous: `np.ascontiguousarray` is free where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba import types

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

READ_I64 = types.Array(types.int64, 1, "C", readonly=True)
READ_I32 = types.Array(types.int32, 1, "C", readonly=True)
READ_U64 = types.Array(types.uint64, 1, "C", readonly=True)
READ_U32 = types.Array(types.uint32, 1, "C", readonly=True)
READ_U16 = types.Array(types.uint16, 1, "C", readonly=True)
READ_U8 = types.Array(types.uint8, 1, "C", readonly=True)
WRITE_I64 = types.Array(types.int64, 1, "C")
WRITE_U16 = types.Array(types.uint16, 1, "C")
WRITE_U8 = types.Array(types.uint8, 1, "C")
WRITE_BOOL = types.Array(types.boolean, 1, "C")
WRITE_PLANE = types.Array(types.int64, 2, "C")
I64 = types.int64


def compiled(result: Any, *arguments: Any) -> Callable[[Kernel], Kernel]:
    """A decorator that compiles a kernel for one signature, without the GIL.

    The machine code is cached beside the source, under NUMBA_CACHE_DIR where that is set, or in the user's
    cache folder. Where none of them can be written the kernel is compiled anew in each process.

    Args:
        result: numba type of what the kernel returns.
        *arguments: numba types of its arguments.
    """

    def decorate(function: Kernel) -> Kernel:
        return cached_njit(function, result(*arguments))

    return decorate


def cached_njit(function: Kernel, signature: Any = None, **options: Any) -> Kernel:
    """`numba.njit` without the GIL and with a cache on disk, or without a cache where none can be written.

    Args:
        function: the kernel.
        signature: numba signature to compile it for at once; None waits for what the first call brings.
        **options: further options of `numba.njit`.
    """
    try:
        kernel = numba.njit(signature, nogil=True, cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        kernel = numba.njit(signature, nogil=True, **options)(function)
    return cast(Kernel, kernel)
