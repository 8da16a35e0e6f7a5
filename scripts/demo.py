"""`make demo`: restyle one photo with every style that ships, and lay the results on one sheet."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import fastnst
from fastnst.cli import run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--out", type=Path, default=Path("demo"))
    options = parser.parse_args()
    photo = options.photo or fastnst.sample_photo()
    if options.out.exists() and not options.out.is_dir():
        sys.stderr.write(f"fastnst: {options.out} is a file: give OUT= a folder.\n")
        return 2
    arguments = [str(photo), "--style", "all", "-o", str(options.out / "pictures"), "--overwrite"]
    code = run("fastnst.commands.stylize", [*arguments, "--sheet", str(options.out / "sheet.jpg")], "demo")
    if code == 0:
        shutil.copyfile(photo, options.out / f"photo{photo.suffix}")
        sys.stdout.write(f"Look at {options.out.resolve() / 'sheet.jpg'}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
