"""Millions of pictures: rows from anywhere, workers that hold a style open, a manifest to go on from."""

from fastnst.scale.options import BatchOptions, Summary
from fastnst.scale.run import stylize_dataset

__all__ = ["BatchOptions", "Summary", "stylize_dataset"]
