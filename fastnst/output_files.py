"""Files are written beside their place and renamed; nothing is overwritten unasked, and no input ever."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from fastnst.errors import OutputError, reason_of

# What a place can have against being written to. Any other error inside `write_atomically` is of something else.
_PLACE_ERRNOS = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "EACCES", "EPERM", "ENOENT", "ENOTDIR", "ENAMETOOLONG")
    if hasattr(errno, name)
}
_FULL_DISK_ERRNOS = {getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS") if hasattr(errno, name)}
_STEM_KEPT = 40  # characters of a name that its temporary file shows


class FullDiskError(OutputError):
    """A place where nothing more can be written: the next file will not fare better."""


@contextlib.contextmanager
def write_atomically(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed on success, removed on failure.

    A link to a file is followed: the file it leads to is replaced. Raises `OutputError` if `path` exists (without
    `overwrite`) or cannot be written, `FullDiskError` among them. Errors of other files that are read meanwhile pass
    as they are.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    target = Path(os.path.realpath(path)) if os.path.islink(path) else path
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = _new_file_beside(target)
        rights = stat.S_IMODE(partial.stat().st_mode)
        yield partial
        _restore_rights(partial, rights)
        _publish(partial, target, overwrite=overwrite)
    except FileExistsError as error:
        if error.filename not in (None, str(partial)):
            raise
        raise OutputError(f"{path} was made by another run meanwhile: pass --overwrite to replace it.") from error
    except OSError as error:
        if not _is_of(error, partial, target):
            raise
        raise refusal(path, error) from error
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):  # the failure that brought us here is the one to report
                partial.unlink(missing_ok=True)


def check_output(path: str | Path, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
    """Raise `OutputError` if `path` cannot take a new file: a folder, one of the inputs, or there and to be kept."""
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError:
        if os.path.islink(path):
            raise OutputError(f"{path} is a link that leads nowhere: remove it, or name another file.") from None
        return
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be written ({reason_of(error)}).") from error
    if stat.S_ISDIR(found.st_mode):
        raise OutputError(f"{path} is a folder: name a file.")
    if not stat.S_ISREG(found.st_mode):
        raise OutputError(f"{path} is a pipe or a device: name a file.")
    refuse_inputs(path, inputs)
    if not overwrite:
        raise OutputError(f"{path} exists already: pass --overwrite to replace it.")


def refuse_inputs(path: Path, inputs: Iterable[Path]) -> None:
    """Raise `OutputError` if `path` is the same file as one of the inputs, by whatever name or link."""
    for source in inputs:
        if _same_file(path, source):
            raise OutputError(f"{path} is an input of this command: name another output.")


def check_partial(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Raise `OutputError` if a file that unfinished work goes to, by a name of ours, is a link or one of the inputs."""
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
        raise OutputError(f"{path}, where unfinished work goes, is not a plain file: remove it first.")
    for source in inputs:
        if _same_file(path, source):
            raise OutputError(f"{path} is an input, and unfinished work would go there: name another output.")


@contextlib.contextmanager
def locked_output(path: str | Path) -> Iterator[None]:
    """Keeps other runs of this user from writing the same output meanwhile; an advisory lock, gone with the process.

    Raises `OutputError` if another run holds it. Where locks cannot be had (no temporary folder, an odd file system)
    there is none.
    """
    handle = _acquire(Path(path))
    try:
        yield
    finally:
        if handle is not None:
            descriptor, place = handle
            with contextlib.suppress(OSError):
                place.unlink()
            os.close(descriptor)


def _acquire(path: Path) -> tuple[int, Path] | None:
    key = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    owner = os.getuid() if hasattr(os, "getuid") else "me"
    folder = Path(tempfile.gettempdir(), f"fastnst-locks-{owner}")
    place = folder / key
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    while True:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(place, flags, 0o600)
        except OSError:
            return None
        try:
            locked = _try_lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            raise OutputError(f"{path} is being written by another run: wait for it, or name another output.") from None
        if locked is False:
            os.close(descriptor)
            return None
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), place.stat()):
                return descriptor, place
        os.close(descriptor)  # its last owner removed it between our opening and our locking


def _try_lock(descriptor: int) -> bool:
    """True if the lock was taken; raises BlockingIOError if another has it, False where there are none."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _try_lock_on_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _try_lock_on_windows(descriptor: int) -> bool:
    import msvcrt

    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        raise BlockingIOError from error
    return True


def _publish(partial: Path, target: Path, *, overwrite: bool) -> None:
    """Give a finished file its name; raises FileExistsError, with nothing replaced, if the name is taken meanwhile."""
    if not overwrite:
        try:
            os.link(partial, target)  # unlike a renaming, it never replaces
        except FileExistsError:
            raise
        except OSError:  # no hard links on this file system
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        else:
            partial.unlink()
            return
    if os.path.exists(target):
        shutil.copymode(target, partial)
    partial.replace(target)


def _new_file_beside(path: Path) -> Path:
    """A new empty file with the rights that the user's umask gives, which `tempfile` would not."""
    while True:
        partial = path.with_name(f".{path.stem[:_STEM_KEPT]}-{secrets.token_hex(4)}{path.suffix}")
        try:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            continue
        return partial


def _restore_rights(partial: Path, rights: int) -> None:
    """Some libraries put a file of their own, which only its owner may read, in the place of ours."""
    with contextlib.suppress(OSError):  # no file any more, or a file system without rights: what follows will tell
        if stat.S_IMODE(partial.stat().st_mode) != rights:
            partial.chmod(rights)


def _is_of(error: OSError, partial: Path | None, target: Path) -> bool:
    """True if an error concerns the output, and not another file that was read while it was written."""
    if partial is None:  # nothing but making the place was tried
        return True
    if error.errno not in _PLACE_ERRNOS:
        return False
    named = [name for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
    return not named or any(Path(name) in (partial, target, target.parent) for name in named)


def refusal(path: Path, error: OSError) -> OutputError:
    """The sentence for a place that cannot be written; a `FullDiskError` where nothing more can be."""
    kind = FullDiskError if error.errno in _FULL_DISK_ERRNOS else OutputError
    return kind(f"{path} cannot be written ({error.strerror or error}).")


def _same_file(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except (OSError, ValueError):
        return False
