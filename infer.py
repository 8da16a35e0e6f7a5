"""Restyle photos: `python infer.py photo.jpg --style starry_night -o out.jpg`. A thin door to `fastnst stylize`."""

from fastnst.cli import entry_point

if __name__ == "__main__":
    entry_point("fastnst.commands.stylize", "infer.py")
