"""`fastnst reconstruct`."""

from fastnst.commands.synthesis import reconstruct as main

__all__ = ["main"]
