"""Fetch onnxruntime-web's CPU build into fastnst/web/ort, each file checked by its SHA-256.

    python scripts/vendor_ort.py                       # from the npm registry
    python scripts/vendor_ort.py --archive FILE.tgz    # of `npm pack onnxruntime-web@1.30.0`
    python scripts/vendor_ort.py --check               # are the files here the pinned ones?

Three files of the package are what the page needs to run on processors. For a new version change the pins, run it and
run the tests. The licence and the notices of third parties are those of the onnxruntime wheel on PyPI: the npm package
has none.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tarfile
import tempfile
from pathlib import Path

from fastnst.download import RemoteFile, download
from fastnst.errors import ConfigError, FastNSTError

FOLDER = Path(__file__).resolve().parents[1] / "fastnst" / "web" / "ort"
VERSION = "1.30.0"
PACKAGE = RemoteFile(
    url=f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz",
    checksum="sha256:d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    size=33_106_585,
)
FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_ADVICE = f"run `npm pack onnxruntime-web@{VERSION}` elsewhere and pass --archive FILE"


def main(argv: list[str]) -> int:
    """Vendor or check; what goes wrong is one sentence and exit code 2."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, help="the npm package, fetched already")
    parser.add_argument("--check", action="store_true", help="only compare the files here with the pins")
    options = parser.parse_args(argv)
    try:
        if not options.check:
            with tempfile.TemporaryDirectory() as folder:
                archive = options.archive or download(PACKAGE, Path(folder) / PACKAGE.name, offline_advice=_ADVICE)
                vendor(archive, FOLDER)
        check(FOLDER)
    except FastNSTError as error:
        sys.stderr.write(f"vendor_ort: {error}\n")
        return 2
    sys.stdout.write(f"{FOLDER}: onnxruntime-web {VERSION}\n")
    return 0


def vendor(archive: Path, folder: Path) -> None:
    """Write the pinned files of the package to `folder`; nothing is written unless all are the pinned ones."""
    try:
        with tarfile.open(archive) as package:
            contents = {name: _read(package, f"package/dist/{name}") for name in FILES}
    except (OSError, tarfile.TarError, KeyError) as error:
        raise ConfigError(f"{archive} is not the package onnxruntime-web {VERSION}: {_ADVICE}.") from error
    for name, content in contents.items():
        _compare(name, content)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def check(folder: Path) -> None:
    """Raise `ConfigError` if a file is missing or is not the pinned one."""
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise ConfigError(f"{path} is missing: run python scripts/vendor_ort.py.")
        _compare(str(path), path.read_bytes())


def _read(package: tarfile.TarFile, name: str) -> bytes:
    stream = package.extractfile(name)
    if stream is None:
        raise KeyError(f"{name} is not a file")
    return stream.read()


def _compare(name: str, content: bytes) -> None:
    expected = FILES[Path(name).name]
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ConfigError(f"{name} is not the pinned file (its sha256 is {found[:16]}…, not {expected[:16]}…).")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
