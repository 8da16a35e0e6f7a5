"""Styles for others: the files of a repository on the hub, and the index of a static host."""
