"""Local paths and fsspec addresses (`s3://…`, `gs://…`, `memory://…`) alike."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

from fastnst.errors import ConfigError, ImageError, MissingDependencyError, OutputError
from fastnst.input_files import expanded
from fastnst.output_files import write_atomically

MAX_PICTURE_BYTES = 1 << 30  # of one encoded picture
_REFERENCES = "reference"  # fsspec's protocol of files that say where the bytes of other files lie, in templates


def filesystem(address: str) -> tuple[Any, str]:
    """The fsspec filesystem of an address or local path, and the path inside it.

    Without `://` it is a path, whatever else fsspec would read from a name such as `a::b.jpg`. Raises
    `MissingDependencyError` if fsspec or the protocol's own package is missing, `ConfigError` for an unknown protocol,
    and for files of references, which name other files to read from.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError('batches need fsspec: pip install "fastnst[batch]".') from error
    if any(layer.partition("://")[0] == _REFERENCES for layer in address.split("::")) and "://" in address:
        raise ConfigError(f"{address} is a file of references to others, which is not read: name the files themselves.")
    try:
        if "://" not in address:
            local = fsspec.filesystem("file")
            return local, local._strip_protocol(os.path.join(os.getcwd(), expanded(address)))
        found, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise MissingDependencyError(f"{address} needs a package of its own: {error}.") from error
    except Exception as error:  # every filesystem has exceptions of its own
        raise ConfigError(f"{address} is not an address that can be read ({reason(error)}).") from error
    return found, path


def kind_of(address: str) -> str:
    """`folder`, `file` or `nothing`; raises `ConfigError` if nobody can tell."""
    found, path = filesystem(address)
    try:
        if not found.exists(path):
            return "nothing"
        return "folder" if found.isdir(path) else "file"
    except Exception as error:
        raise ConfigError(f"{address} cannot be looked at ({reason(error)}).") from error


def names_in(address: str) -> list[str]:
    """The names in a folder, hidden ones left out; none of one that is not there."""
    found, path = filesystem(address)
    try:
        if not found.exists(path):
            return []
        found.invalidate_cache()
        names = [str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in found.ls(path, detail=False)]
    except Exception as error:
        raise ConfigError(f"{address} cannot be looked at ({reason(error)}).") from error
    return sorted(name for name in names if not name.startswith("."))


def read(address: str) -> bytes:
    """All bytes of a file; raises `ImageError` if it cannot be read, or has more than a gigabyte."""
    found, path = _readable(address)
    if is_local(found) and size(address) == 0:  # also what the system makes as it is read, and may never end
        raise ImageError(f"{address} is empty (0 bytes).")
    try:
        if is_local(found) or _is_web(found):
            content = _to_its_end(found, path)
        else:
            content = found.cat_file(path, end=MAX_PICTURE_BYTES + 1)
    except Exception as error:  # every filesystem has exceptions of its own
        raise ImageError(f"{address} cannot be read ({reason(error)}).") from error
    if len(content) > MAX_PICTURE_BYTES:
        raise ImageError(f"{address} has more than {MAX_PICTURE_BYTES:,} bytes, which is no picture.")
    return bytes(content)


def _to_its_end(found: Any, path: str) -> bytearray:
    """All bytes of a file, or a few more than a picture may have: a server may go on for ever, and files have holes."""
    received = bytearray()
    with found.open(path, "rb") as file:  # a server's gives what has come, not all that is asked for
        while len(received) <= MAX_PICTURE_BYTES and (block := file.read(1 << 20)):
            received += block
    return received


def open_binary(address: str) -> IO[bytes]:
    """A file to read from the beginning to the end; raises `ImageError` if it cannot be opened."""
    found, path = _readable(address)
    try:
        file: IO[bytes] = found.open(path, "rb")
    except Exception as error:
        raise ImageError(f"{address} cannot be read ({reason(error)}).") from error
    return file


def _readable(address: str) -> tuple[Any, str]:
    """As `filesystem`; raises `ImageError` for this machine's pipes and devices, which may never end."""
    found, path = filesystem(address)
    if is_local(found) and os.path.exists(path) and not os.path.isfile(path):
        raise ImageError(f"{address} is not a plain file.")
    return found, path


def write(address: str, content: bytes) -> None:
    """Write a file whole or not at all: object stores do so by themselves, elsewhere it is renamed into its place.

    Raises `OutputError` if it cannot be written.
    """
    found, path = filesystem(address)
    try:
        if is_local(found):
            with write_atomically(Path(path), overwrite=True) as partial:
                partial.write_bytes(content)
        else:
            found.pipe_file(path, content)
    except OutputError:
        raise
    except Exception as error:
        raise OutputError(f"{address} cannot be written ({reason(error)}).") from error


def size(address: str) -> int | None:
    """Bytes of a file; None if there is none."""
    found, path = filesystem(address)
    try:
        value = found.size(path)
    except Exception:
        return None
    return None if value is None else int(value)


def join(folder: str, name: str) -> str:
    """A name below a folder, an address or a local path."""
    return f"{folder.rstrip('/')}/{name}"


def is_same(address: str, other: str) -> bool:
    """True if both are one file of this machine, by whatever name or link."""
    places = [filesystem(one) for one in (address, other)]
    if not all(is_local(found) for found, _ in places):
        return address == other
    try:
        return os.path.samefile(*(path for _, path in places))
    except (OSError, ValueError):
        return False


def is_local(found: Any) -> bool:
    """True if a filesystem is this machine's own."""
    return "file" in _protocols(found)


def _is_web(found: Any) -> bool:
    return "http" in _protocols(found)


def _protocols(found: Any) -> tuple[str, ...]:
    return found.protocol if isinstance(found.protocol, tuple) else (found.protocol,)


def reason(error: Exception) -> str:
    """The first line of what a library says."""
    text = str(getattr(error, "strerror", None) or error).strip() or type(error).__name__
    return text.splitlines()[0][:120]
