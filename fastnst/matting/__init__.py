"""Learning to find people: MODNet's architecture, its losses, portraits to learn from. Needs torch."""

from fastnst.matting.network import MattingNetwork, MattingOptions

__all__ = ["MattingNetwork", "MattingOptions"]
