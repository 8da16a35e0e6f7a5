"""`fastnst texture`."""

from fastnst.commands.synthesis import texture as main

__all__ = ["main"]
