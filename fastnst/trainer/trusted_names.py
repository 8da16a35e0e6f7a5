"""Classes that a configuration may name. A class path is code to run, so that recipes of strangers name ours only."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator

from jsonargparse import set_parsing_settings

TRUST_FLAG = "--trust-config"
_OURS = ("fastnst.training", "fastnst.trainer", "fastnst.matting", "fastnst.distillation")
_LIGHTNINGS = ("pytorch_lightning.callbacks", "pytorch_lightning.loggers", "pytorch_lightning.profilers")
_ALLOWED = [*_OURS, *_LIGHTNINGS]
_PATH = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\b")


@contextlib.contextmanager
def nameable(trusted: Iterable[str] = ()) -> Iterator[None]:
    """While it lasts, jsonargparse imports by name nothing but fastnst's classes and Lightning's callbacks and loggers.

    Args:
        trusted: texts (of configurations, of a command line) whose import paths are allowed too.
    """
    named = {path for text in trusted for path in _PATH.findall(text)}
    # An object counts by where it is defined, too: the module above says that for whole packages.
    extra = sorted({path.split(".")[0] for path in named} - {"jsonargparse", "fastnst", "pytorch_lightning"})
    extra += sorted(path for path in named if path.startswith(("fastnst.", "pytorch_lightning.")))
    extra = [path for path in extra if not path.startswith(tuple(_ALLOWED))]
    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=[*_ALLOWED, *extra])
    try:
        yield
    finally:
        set_parsing_settings(import_path_denylist=extra)


def untrusted(path: str) -> str:
    """The sentence for a name that a configuration may not name."""
    return (
        f"the configuration names '{path}', but may name fastnst's own classes and Lightning's callbacks and loggers"
        f" only, since any other could run any code: pass {TRUST_FLAG} if you trust where it comes from."
    )
