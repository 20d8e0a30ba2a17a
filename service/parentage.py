"""Children that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int) -> None:
    """Asks the kernel to kill this process when its parent ends, and ends now where that has happened.

    Args:
        parent_pid: the parent as it knows itself, so that a death before this call is noticed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(0)


def leave_interrupts_to_parent() -> None:
    """Ctrl-C goes to the whole terminal; the parent alone answers it, by shutting us down in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
