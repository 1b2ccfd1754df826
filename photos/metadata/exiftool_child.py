"""Becomes exiftool, bound to its parent's life: run as a script by `exiftool.ExifTool`, and never imported.

exiftool waits for more when its input ends, and so would outlive a killed parent for ever.

    exiftool_child.py PARENT_PID PROGRAM ARGUMENT...
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_PDEATHSIG = 1
ADDRESS_SPACE = 2 << 30
"""Bytes. A packet of 8 MB takes a tenth of this."""

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before it was bound to it.
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = ADDRESS_SPACE if hard == resource.RLIM_INFINITY else min(ADDRESS_SPACE, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the program that the parent found
