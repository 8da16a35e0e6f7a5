"""`python -m fastnst`: the same as the `fastnst` command."""

from fastnst.cli import entry_point

if __name__ == "__main__":
    entry_point()
