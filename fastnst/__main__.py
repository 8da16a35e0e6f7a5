"""The door to the command line, for `fastnst`, `python -m fastnst` and the scripts that run one command."""

from __future__ import annotations

import os
import signal
from types import FrameType


def main(module: str | None = None, prog: str = "fastnst") -> None:
    """Run the `fastnst` command, or the one command whose module this is, and end the process with its exit code.

    Until the command line can take it, a Ctrl-C ends the process at once: nothing has been done yet.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from fastnst.cli import entry_point

    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    entry_point(module, prog)


def _leave(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"fastnst: interrupted; what was finished is kept.\n")
    os._exit(130)


if __name__ == "__main__":
    main()
