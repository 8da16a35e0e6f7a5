"""GPU kernels for training, written in Triton, which PyTorch for CUDA brings along on Linux.

PyTorch's own operators do the same wherever `kernels_work` says no; tests compare the two. Triton is imported when it
is used.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import os

import torch

log = logging.getLogger(__name__)


@functools.cache
def kernels_work(device: torch.device) -> bool:
    """Whether the kernels can be used on this device: found out by running them once."""
    if device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":  # which runs them anywhere, slowly
        return False
    if importlib.util.find_spec("triton") is None:
        log.info("Triton is not installed: training runs on PyTorch's own operators, which take longer.")
        return False
    try:
        return _run_all(device)
    except Exception as error:  # Triton's own types, and those of the compilers that it calls
        reason = str(error).split("\n")[0][:200]
        log.warning("Triton's kernels do not run here (%s): training takes longer.", reason)
        return False


@torch.inference_mode(False)
@torch.enable_grad()
def _run_all(device: torch.device) -> bool:
    from fastnst.kernels import norm, vgg

    for dtype in (torch.float32, torch.bfloat16):  # cards before Ampere may lack the latter
        x = torch.ones(1, 4, 4, 4, device=device, dtype=dtype, requires_grad=True)
        ones = torch.ones(4, device=device)
        for run in (vgg.activated, vgg.pooled):
            padded, _ = run(x, ones.to(dtype), 1, whole=False)
            padded.sum().backward()
        norm.normalized(norm.reflected(x, 1), ones, ones, 1e-5, relu=True).sum().backward()
        if x.grad is None or not bool(torch.isfinite(x.grad).all()):
            return False
    return True
