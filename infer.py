"""Restyle photos: `python infer.py photo.jpg --style starry_night -o out.jpg`. A thin door to `fastnst stylize`."""

from fastnst.__main__ import main

if __name__ == "__main__":
    main("fastnst.commands.stylize", "infer.py")
