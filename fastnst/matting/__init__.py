"""Learning to find people: MODNet's architecture, its losses, portraits to learn from. Needs torch; the runtime does not."""

from fastnst.matting.network import MattingNetwork, MattingOptions

__all__ = ["MattingNetwork", "MattingOptions"]
