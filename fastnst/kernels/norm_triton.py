"""The Triton kernels of `kernels.norm`, on maps `[N, H, W, C]`; a program takes a run of positions with all channels.

M is the number of positions of a map. A program of the first pass sums `TILES` tiles of `TILE` positions; each program
of the second adds the first one's sums up for itself: that is less work than a pass of its own. What is not a number
stays so, as in PyTorch, by comparisons: `tl.maximum` would make a zero of it.
"""

# mypy: ignore-errors
# ruff: noqa: N803

import triton
import triton.language as tl


@triton.jit
def _added_up(partial, image, c, real, RUNS, RUNS_TILE: tl.constexpr, C: tl.constexpr):
    """The two sums of each channel over all runs."""
    run = tl.arange(0, RUNS_TILE)[:, None]
    known = (run < RUNS) & real[None, :]
    at = partial + (image * RUNS + run) * 2 * C + c[None, :]
    first = tl.sum(tl.load(at, mask=known, other=0.0), 0)
    return first, tl.sum(tl.load(at + C, mask=known, other=0.0), 0)


@triton.jit
def sum_rows(x, partial, M, RUNS, C: tl.constexpr, CHANNELS: tl.constexpr, TILE: tl.constexpr, TILES: tl.constexpr):
    """Sums of x - x₀ and of its square, where x₀ is the first position's value: small numbers keep their digits."""
    image, run = tl.program_id(0), tl.program_id(1)
    c = tl.arange(0, CHANNELS)
    real = c < C
    start = image.to(tl.int64) * M
    origin = tl.load(x + start * C + c, mask=real, other=0.0).to(tl.float32)
    total, square = tl.zeros((CHANNELS,), tl.float32), tl.zeros((CHANNELS,), tl.float32)
    for tile in range(TILES):
        position = run * TILE * TILES + tile * TILE + tl.arange(0, TILE)
        here = (position < M)[:, None] & real[None, :]
        value = tl.load(x + (start + position)[:, None] * C + c[None, :], mask=here, other=0.0).to(tl.float32)
        value = tl.where(here, value - origin[None, :], 0.0)
        total += tl.sum(value, 0)
        square += tl.sum(value * value, 0)
    at = partial + (image * RUNS + run) * 2 * C + c
    tl.store(at, total, mask=real)
    tl.store(at + C, square, mask=real)


@triton.jit
def normalize(
    x, partial, weight, bias, y, statistics, M, RUNS, eps,
    C: tl.constexpr, CHANNELS: tl.constexpr, RUNS_TILE: tl.constexpr, RELU: tl.constexpr,
    TILE: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    image, run = tl.program_id(0), tl.program_id(1)
    c = tl.arange(0, CHANNELS)
    real = c < C
    start = image.to(tl.int64) * M
    total, square = _added_up(partial, image, c, real, RUNS, RUNS_TILE, C)
    origin = tl.load(x + start * C + c, mask=real, other=0.0).to(tl.float32)
    offset = total / M
    variance = square / M - offset * offset
    scale = 1.0 / tl.sqrt(tl.where(variance < 0, 0.0, variance) + eps)
    mean = origin + offset
    tl.store(statistics + image * 2 * C + c, mean, mask=real & (run == 0))
    tl.store(statistics + image * 2 * C + C + c, scale, mask=real & (run == 0))
    gain = tl.load(weight + c, mask=real, other=0.0).to(tl.float32) * scale
    shift = tl.load(bias + c, mask=real, other=0.0).to(tl.float32)
    for tile in range(TILES):
        position = run * TILE * TILES + tile * TILE + tl.arange(0, TILE)
        here = (position < M)[:, None] & real[None, :]
        at = (start + position)[:, None] * C + c[None, :]
        value = tl.load(x + at, mask=here, other=0.0).to(tl.float32)
        value = (value - mean[None, :]) * gain[None, :] + shift[None, :]
        if RELU:
            value = tl.where(value < 0, 0.0, value)
        tl.store(y + at, value, mask=here)


@triton.jit
def _gradient(gradient, x, at, here, mean, scale, gain, shift, RELU: tl.constexpr):
    """The gradient before the ReLU, and the normalized value."""
    value = (tl.load(x + at, mask=here, other=0.0).to(tl.float32) - mean[None, :]) * scale[None, :]
    slope = tl.load(gradient + at, mask=here, other=0.0).to(tl.float32)
    if RELU:
        slope = tl.where(value * gain[None, :] + shift[None, :] <= 0, 0.0, slope)
    return slope, value


@triton.jit
def sum_gradients(
    gradient, x, weight, bias, statistics, partial, M, RUNS,
    C: tl.constexpr, CHANNELS: tl.constexpr, RELU: tl.constexpr, TILE: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    """Sums of the gradient and of its product with the normalized value."""
    image, run = tl.program_id(0), tl.program_id(1)
    c = tl.arange(0, CHANNELS)
    real = c < C
    start = image.to(tl.int64) * M
    mean = tl.load(statistics + image * 2 * C + c, mask=real, other=0.0)
    scale = tl.load(statistics + image * 2 * C + C + c, mask=real, other=0.0)
    gain = tl.load(weight + c, mask=real, other=0.0).to(tl.float32)
    shift = tl.load(bias + c, mask=real, other=0.0).to(tl.float32)
    plain, product = tl.zeros((CHANNELS,), tl.float32), tl.zeros((CHANNELS,), tl.float32)
    for tile in range(TILES):
        position = run * TILE * TILES + tile * TILE + tl.arange(0, TILE)
        here = (position < M)[:, None] & real[None, :]
        at = (start + position)[:, None] * C + c[None, :]
        slope, value = _gradient(gradient, x, at, here, mean, scale, gain, shift, RELU)
        plain += tl.sum(slope, 0)
        product += tl.sum(slope * value, 0)
    at = partial + (image * RUNS + run) * 2 * C + c
    tl.store(at, plain, mask=real)
    tl.store(at + C, product, mask=real)


@triton.jit
def normalize_back(
    gradient, x, weight, bias, statistics, partial, out, sums, M, RUNS,
    C: tl.constexpr, CHANNELS: tl.constexpr, RUNS_TILE: tl.constexpr, RELU: tl.constexpr,
    TILE: tl.constexpr, TILES: tl.constexpr,
):  # fmt: skip
    image, run = tl.program_id(0), tl.program_id(1)
    c = tl.arange(0, CHANNELS)
    real = c < C
    start = image.to(tl.int64) * M
    plain, product = _added_up(partial, image, c, real, RUNS, RUNS_TILE, C)
    tl.store(sums + image * 2 * C + c, plain, mask=real & (run == 0))
    tl.store(sums + image * 2 * C + C + c, product, mask=real & (run == 0))
    mean = tl.load(statistics + image * 2 * C + c, mask=real, other=0.0)
    scale = tl.load(statistics + image * 2 * C + C + c, mask=real, other=0.0)
    gain = tl.load(weight + c, mask=real, other=0.0).to(tl.float32)
    shift = tl.load(bias + c, mask=real, other=0.0).to(tl.float32)
    for tile in range(TILES):
        position = run * TILE * TILES + tile * TILE + tl.arange(0, TILE)
        here = (position < M)[:, None] & real[None, :]
        at = (start + position)[:, None] * C + c[None, :]
        slope, value = _gradient(gradient, x, at, here, mean, scale, gain, shift, RELU)
        moved = (slope - (plain / M)[None, :] - value * (product / M)[None, :]) * (gain * scale)[None, :]
        tl.store(out + at, moved, mask=here)


@triton.jit
def pad_rows(x, padded, H, W, C: tl.constexpr, PAD: tl.constexpr, EDGE: tl.constexpr, BLOCK: tl.constexpr):
    """A block of a row of the padded map: reflected, or continued by its outermost values."""
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    image, h = row // (H + 2 * PAD), row % (H + 2 * PAD) - PAD
    w, c = at // C - PAD, at % C
    if EDGE:
        h, w = tl.minimum(tl.maximum(h, 0), H - 1), tl.minimum(tl.maximum(w, 0), W - 1)
    else:
        h, w = H - 1 - tl.abs(H - 1 - tl.abs(h)), W - 1 - tl.abs(W - 1 - tl.abs(w))
    inside = at < (W + 2 * PAD) * C
    value = tl.load(x + ((image * H + h).to(tl.int64) * W + w) * C + c, mask=inside)
    tl.store(padded + row.to(tl.int64) * (W + 2 * PAD) * C + at, value, mask=inside)


@triton.jit
def _copy_of(at, SIZE, PAD: tl.constexpr, EDGE: tl.constexpr, WHICH: tl.constexpr):
    """Where a position of a map is found in the padded one: itself, and up to two copies. The place, and if it is."""
    if WHICH == 0:
        place, found = at + PAD, at >= 0
    elif WHICH == 1:
        if EDGE:
            place, found = at, at == 0
        else:
            place, found = PAD - at, (at >= 1) & (at <= PAD)
    else:
        if EDGE:
            place, found = at + 2 * PAD, at == SIZE - 1
        else:
            place, found = 2 * (SIZE - 1) - at + PAD, (at >= SIZE - 1 - PAD) & (at <= SIZE - 2)
    return place, found


@triton.jit
def pad_back(gradient, out, H, W, C: tl.constexpr, PAD: tl.constexpr, EDGE: tl.constexpr, BLOCK: tl.constexpr):
    """A block of a row of the map: the sum over its copies, at most three in each direction. PAD is 1 for EDGE."""
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    image, h = row // H, row % H
    w, c = at // C, at % C
    inside = at < W * C
    total = tl.zeros((BLOCK,), tl.float32)
    for i in tl.static_range(3):
        from_h, has_h = _copy_of(h, H, PAD, EDGE, i)
        start = (image * (H + 2 * PAD) + from_h).to(tl.int64) * (W + 2 * PAD)
        for j in tl.static_range(3):
            from_w, has_w = _copy_of(w, W, PAD, EDGE, j)
            total += tl.load(gradient + (start + from_w) * C + c, mask=inside & has_h & has_w, other=0.0).to(tl.float32)
    tl.store(out + row.to(tl.int64) * W * C + at, total, mask=inside)
