"""Style models for inference servers."""
