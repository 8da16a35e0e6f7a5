"""The model in float32 on the CPU: what every other way to run it has to agree with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fastnst.runtime.engine.contract import ResultContract
from fastnst.runtime.engine.precision import is_precise
from fastnst.runtime.engine.quiet import quiet
from fastnst.runtime.engine.session import (
    EngineFailure,
    Session,
    UnavailableError,
    as_user_errors,
    engine_calls,
    first_line,
    run_once,
)


@dataclass(frozen=True)
class Reference:
    """onnxruntime's CPU session of a model, and what the model's results have to be."""

    session: Session
    path: Path
    contract: ResultContract

    def run(self, images: NDArray[Any]) -> NDArray[Any]:
        """The model's result. Raises `ModelError` for a model that fails or breaks its contract."""
        with as_user_errors(self.path):
            return self.contract.checked(run_once(self.session, images), images, self.path)

    def accepts(self, paths: Sequence[Path], engine: str, session: Session) -> bool:
        """True if another session is precise enough; see `is_precise`.

        Engines are built, and libraries found missing, when a picture comes. Raises `UnavailableError` if the other
        session fails then, and `ModelError` if the model itself does.
        """

        def run(images: NDArray[Any]) -> NDArray[Any]:
            with quiet(), engine_calls():
                return self.contract.checked(run_once(session, images), images, paths[-1])

        try:
            takes_planes = self.session.get_inputs()[0].type != "tensor(uint8)"
            return is_precise(paths, engine, run, self.run, takes_planes=takes_planes)
        except EngineFailure as error:
            raise UnavailableError(first_line(error)) from error
