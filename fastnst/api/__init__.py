"""The public functions, by subject; `fastnst` itself exports them. They run the same code as the commands."""
