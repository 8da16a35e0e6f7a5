"""Progress bars on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from fastnst.reference.optimize import Watcher


@contextmanager
def progress_bar(steps: int, label: str) -> Iterator[Watcher]:
    """A progress bar on stderr that shows the terms; gives the watcher that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(label),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=steps)

        def watch(step: object, _image: Tensor) -> None:
            terms = step.terms  # type: ignore[attr-defined]
            text = f"content {terms['content']:.4g}  style {terms['style']:.4g}  total {terms['total']:.4g}"
            progress.update(task, advance=1, description=text)

        yield watch
