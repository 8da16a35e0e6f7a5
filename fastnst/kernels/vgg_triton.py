"""The Triton kernels of `kernels.vgg`: a program writes a block of one row of a map `[N, H, W, C]`.

What is not a number stays so, as in PyTorch, by comparisons: `tl.maximum` would make a zero of it.
"""

# mypy: ignore-errors
# ruff: noqa: N803

import triton
import triton.language as tl


@triton.jit
def activate_rows(
    x, bias, padded, whole, H, W, C: tl.constexpr, PAD: tl.constexpr, WHOLE: tl.constexpr, BLOCK: tl.constexpr
):
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    image, h = row // (H + 2 * PAD), row % (H + 2 * PAD) - PAD
    w, c = at // C - PAD, at % C
    inside = at < (W + 2 * PAD) * C
    near_h, near_w = tl.minimum(tl.maximum(h, 0), H - 1), tl.minimum(tl.maximum(w, 0), W - 1)
    source = ((image * H + near_h).to(tl.int64) * W + near_w) * C + c
    value = tl.load(x + source, mask=inside).to(tl.float32) + tl.load(bias + c, mask=inside).to(tl.float32)
    value = tl.where(value < 0, 0.0, value)
    tl.store(padded + row.to(tl.int64) * (W + 2 * PAD) * C + at, value, mask=inside)
    if WHOLE:
        tl.store(whole + source, value, mask=inside & (h == near_h) & (w == near_w))


@triton.jit
def _folded(gradient, image, h, w, c, inside, H, W, C: tl.constexpr, PAD: tl.constexpr):
    """The gradient of a map's element from that of the padded map: the sum over its copies."""
    start = (image * (H + 2 * PAD) + h + PAD).to(tl.int64) * (W + 2 * PAD)
    total = tl.load(gradient + (start + w + PAD) * C + c, mask=inside, other=0.0).to(tl.float32)
    if PAD:
        left, right = inside & (w == 0), inside & (w == W - 1)
        total += tl.load(gradient + (start + w) * C + c, mask=left, other=0.0).to(tl.float32)
        total += tl.load(gradient + (start + w + 2) * C + c, mask=right, other=0.0).to(tl.float32)
        above, below = start - (W + 2), start + (W + 2)
        first, last = inside & (h == 0), inside & (h == H - 1)
        total += tl.load(gradient + (above + w + 1) * C + c, mask=first, other=0.0).to(tl.float32)
        total += tl.load(gradient + (above + w) * C + c, mask=first & left, other=0.0).to(tl.float32)
        total += tl.load(gradient + (above + w + 2) * C + c, mask=first & right, other=0.0).to(tl.float32)
        total += tl.load(gradient + (below + w + 1) * C + c, mask=last, other=0.0).to(tl.float32)
        total += tl.load(gradient + (below + w) * C + c, mask=last & left, other=0.0).to(tl.float32)
        total += tl.load(gradient + (below + w + 2) * C + c, mask=last & right, other=0.0).to(tl.float32)
    return total


@triton.jit
def activate_back(
    gradient, of_whole, padded, out, H, W, C: tl.constexpr, PAD: tl.constexpr, WHOLE: tl.constexpr, BLOCK: tl.constexpr
):
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    image, h = row // H, row % H
    w, c = at // C, at % C
    inside = at < W * C
    total = _folded(gradient, image, h, w, c, inside, H, W, C, PAD)
    here = row.to(tl.int64) * W * C + at
    if WHOLE:
        total += tl.load(of_whole + here, mask=inside, other=0.0).to(tl.float32)
    copy = ((image * (H + 2 * PAD) + h + PAD).to(tl.int64) * (W + 2 * PAD) + w + PAD) * C + c
    shown = tl.load(padded + copy, mask=inside, other=0.0)
    tl.store(out + here, tl.where(shown <= 0, 0.0, total), mask=inside)


@triton.jit
def pool_rows(
    x, bias, padded, whole, chosen, H, W, C: tl.constexpr, PAD: tl.constexpr, WHOLE: tl.constexpr, BLOCK: tl.constexpr
):
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    half_h, half_w = H // 2, W // 2
    image, h = row // (half_h + 2 * PAD), row % (half_h + 2 * PAD) - PAD
    w, c = at // C - PAD, at % C
    inside = at < (half_w + 2 * PAD) * C
    near_h, near_w = tl.minimum(tl.maximum(h, 0), half_h - 1), tl.minimum(tl.maximum(w, 0), half_w - 1)
    source = ((image * H + 2 * near_h).to(tl.int64) * W + 2 * near_w) * C + c
    best = tl.load(x + source, mask=inside).to(tl.float32)
    index = tl.zeros_like(at)
    for corner in tl.static_range(1, 4):
        one = tl.load(x + source + ((corner // 2) * W + corner % 2) * C, mask=inside).to(tl.float32)
        more = (one > best) | (one != one)
        index = tl.where(more, corner, index)
        best = tl.where(more, one, best)
    best += tl.load(bias + c, mask=inside).to(tl.float32)
    index = tl.where(best <= 0, 4, index)  # none: the ReLU lets no gradient through
    best = tl.where(best < 0, 0.0, best)
    tl.store(padded + row.to(tl.int64) * (half_w + 2 * PAD) * C + at, best, mask=inside)
    own = inside & (h == near_h) & (w == near_w)
    target = ((image * half_h + near_h).to(tl.int64) * half_w + near_w) * C + c
    tl.store(chosen + target, index.to(tl.int8), mask=own)
    if WHOLE:
        tl.store(whole + target, best, mask=own)


@triton.jit
def pool_back(
    gradient, of_whole, chosen, out, H, W, C: tl.constexpr, PAD: tl.constexpr, WHOLE: tl.constexpr, BLOCK: tl.constexpr
):
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    half_h, half_w = H // 2, W // 2
    image, h = row // H, row % H
    w, c = at // C, at % C
    inside = at < W * C
    pooled = inside & (h // 2 < half_h) & (w // 2 < half_w)
    source = ((image * half_h + h // 2).to(tl.int64) * half_w + w // 2) * C + c
    mine = pooled & (tl.load(chosen + source, mask=pooled, other=4) == (h % 2) * 2 + w % 2)
    total = _folded(gradient, image, h // 2, w // 2, c, mine, half_h, half_w, C, PAD)
    if WHOLE:
        total += tl.load(of_whole + source, mask=mine, other=0.0).to(tl.float32)
    tl.store(out + row.to(tl.int64) * W * C + at, total, mask=inside)
