"""Facts about this process, from the operating system."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

from copaw.ports import Json

_STARTED_AT = time.time()


def resident_bytes() -> int:
    """Resident memory now; the peak where the system does not tell the present."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return pages * resource.getpagesize()


def process_status() -> Json:
    """Process id, memory in bytes, processor time in seconds and the start time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    elapsed = max(time.time() - _STARTED_AT, 1e-6)
    return {
        "pid": os.getpid(),
        "status": "running",
        "memory_usage": resident_bytes(),
        "cpu_percent": round(100 * (used.ru_utime + used.ru_stime) / elapsed, 1),
        "uptime": _STARTED_AT,
    }
