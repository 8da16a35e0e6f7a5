"""A training step's forward and backward pass as one CUDA graph: one launch instead of thousands."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

_WARM_UPS = 3  # passes in which cuDNN chooses its kernels and memory finds its place


class RecordedStep:
    """Runs a function of a batch that leaves gradients in parameters; on CUDA it is recorded and replayed.

    After "CUDA semantics: CUDA Graphs" of PyTorch's documentation: passes before the recording run on a stream of their
    own, and gradients are allocated in the recording, which overwrites them from then on. If it cannot be recorded the
    function runs as it is, which a line says.

    Args:
        function: takes the batch, calls backward, and returns what is wanted of the pass as one tensor. It may neither
            wait for the device nor draw random numbers.
        parameters: what gets gradients.
        example: a batch; all others have its shape and type.
        records: False runs the function as it is.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        parameters: Sequence[nn.Parameter],
        example: Tensor,
        *,
        records: bool = True,
    ) -> None:
        self._function, self._parameters = function, list(parameters)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._batch, self._found = example, example
        self._gradients: list[Tensor | None] = []
        if records and example.is_cuda:
            try:
                self._record(example)
            except RuntimeError as error:
                self._graph = None
                log.warning("The step runs without a CUDA graph: %s.", str(error).split("\n")[0][:200])

    @property
    def is_recorded(self) -> bool:
        """Whether a graph is replayed."""
        return self._graph is not None

    def __call__(self, batch: Tensor) -> Tensor:
        """Gradients of this batch, in place of what was there; what the function found."""
        if self._graph is None:
            self._forget_gradients()
            return self._function(batch)
        self._batch.copy_(batch)
        self._graph.replay()
        # The graph writes where they were at its recording. A trainer forgets them before it validates.
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._found

    def _record(self, example: Tensor) -> None:
        self._batch = example.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._forget_gradients()
                self._function(self._batch)
        torch.cuda.current_stream().wait_stream(side)
        self._forget_gradients()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._found = self._function(self._batch)
        self._gradients = [parameter.grad for parameter in self._parameters]
        self._graph = graph

    def _forget_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None
