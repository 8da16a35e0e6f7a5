"""Find the people in a photo: an alpha matte by our small network or by the official MODNet. No torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnst.array_types import FloatArray, FloatPlane, UInt8Image
from fastnst.cache import cache_folder, cache_path
from fastnst.download import RemoteFile, download
from fastnst.errors import ConfigError, ImageError, ModelError, suggest
from fastnst.input_files import expanded
from fastnst.runtime.engine.contract import ALPHA
from fastnst.runtime.engine.providers import Engine, open_engine
from fastnst.runtime.engine.session import Session
from fastnst.runtime.imaging.area_resize import area_resize
from fastnst.runtime.imaging.filters import enlarge
from fastnst.runtime.imaging.guided_filter import refine
from fastnst.runtime.models.catalog import style_folders
from fastnst.runtime.models.metadata import MattingMetadata
from fastnst.runtime.models.onnx_metadata import check_file, read_matting_description
from fastnst.runtime.portrait import close_ups, sideways

MODELS = ("ours", "modnet")
STRIDE = 32
_MIN_PERSON_SHARE = 0.004  # of the picture; below it the matte is empty but for specks
_MIN_CONFIDENT_SHARE = 0.4  # of what is more than a trace that is nearly 1 where people are
_MAX_ASPECT = 4  # long side in short sides up to which a picture is scaled by its short side
_PAPER_SIZE = 512  # MODNet's reference size
_MIN_SIDE = 16
_CERTAIN_MARGIN = 5 / 255  # alphas this near to 0 and 1 are those: a network is never quite sure
# The authors' photographic portrait model as ONNX, Apache-2.0.
MODNET = RemoteFile(
    url="https://huggingface.co/Xenova/modnet/resolve/fa2fa546052fba4c08921230a26cc69a333fca12/onnx/model.onnx",
    checksum="sha256:07c308cf0fc7e6e8b2065a12ed7fc07e1de8febb7dc7839d7b7f15dd66584df9",
    size=25_888_640,
)


def resolve_matting_model(name: str = "ours", file: Path | None = None) -> Path:
    """The model file to use: `file` if given, else the small one that ships (`ours`) or the official one (`modnet`).

    The official one is downloaded on first use and kept in the cache. Raises `ConfigError` for an unknown name,
    `ModelError` if the small one is not installed, `DownloadError` if the official one cannot be had.
    """
    if file is not None:
        return expanded(file)
    if name not in MODELS:
        raise ConfigError(f"unknown matting model '{name}'.{suggest(name, MODELS)} Choose one of: {', '.join(MODELS)}.")
    if name == "modnet":
        return _official_model()
    for folder in style_folders():
        path = folder / "matting" / "small.onnx"
        if os.path.isfile(path):
            return path
    raise ModelError("the small matting model is not installed: use --matting modnet, or --matting-model FILE.")


def _official_model() -> Path:
    path = cache_path() / "modnet.onnx"
    if os.path.isfile(path) and path.stat().st_size == MODNET.size:
        return path
    advice = "get the file elsewhere and pass --matting-model FILE, or use --matting ours."
    return download(MODNET, cache_folder() / path.name, offline_advice=advice)


class MattingModel:
    """A matting model file opened on the best execution provider that works.

    Args:
        path: an .onnx: ours (`image` uint8 `[N, H, W, 3]` → `alpha` float `[N, H, W, 1]`, with a fastnst description),
            or MODNet's (float `[N, 3, H, W]` in [−1, 1] → float `[N, 1, H, W]`).
        provider: `auto`, `cpu`, `openvino`, `cuda` or `tensorrt`.
        threads: CPU threads, at most the cores that this process may use; None takes all of these.

    Raises `ModelError` with the reason for a file that is missing, damaged or foreign; `ConfigError` for a provider
    that cannot be had; `MissingDependencyError` if no onnxruntime is installed.
    """

    def __init__(self, path: str | Path, provider: str = "auto", threads: int | None = None) -> None:
        self.path = Path(path)
        check_file(self.path, "matting model")
        # These networks have many small layers: OpenVINO is no faster (19 ms at 640×360 as without it), bf16 not exact
        # enough, and its threads stand in the way of the style's (79 ms for both at once against 56, and 50 on one
        # thread).
        self._engine: Engine = open_engine(
            self.path, provider, threads, contract=ALPHA, check=_description, unsuited=("openvino",)
        )
        self.metadata = _description(self._engine.session, self.path)

    @property
    def provider(self) -> str:
        """The engine that runs the model, and in which precision."""
        return f"{self._engine.provider}, {self._engine.precision}"

    @property
    def is_official(self) -> bool:
        """True if it is MODNet's own file and takes MODNet's own way of scaling."""
        return self.metadata is None

    def __call__(
        self, photo: UInt8Image, *, refined: bool = True, colour: bool = True, short_side: int | None = None
    ) -> FloatPlane:
        """The alpha matte of one photo.

        Args:
            photo: uint8 RGB `[H, W, 3]`, any size from 16×16.
            refined: fit the outline to the photo's edges; else the network's matte is only enlarged, as MODNet does.
            colour: be guided by colours in that, not by brightness alone (which is faster).
            short_side: let our network see the photo at this size, not at the one it works best at.

        Returns float32 `[H, W]` in [0, 1], 1 where people are. Raises `ImageError` for a photo that is too small,
        `ModelError` if the model fails, or gives something else than a matte.
        """
        coarse, small = self.coarse(photo, short_side)
        if refined:
            return settled(refine(coarse, small, photo, colour=colour))
        return enlarge(coarse, (photo.shape[1], photo.shape[0]))

    def people(self, photo: UInt8Image) -> FloatPlane:
        """The alpha matte as of a call, with more care, as single photos deserve it.

        A picture that lies on its side is turned upright for it. A close-up is seen a second time at a smaller scale,
        which fills holes in faces. Where the network wavers the matte is empty: then it found something else than
        people. Half of the false alarms on photos without people go so, and no portrait.
        """
        coarse, small = self.coarse(photo)
        turns = 0 if self.is_official else self._quarter_turns(photo, coarse)
        if turns:
            photo = _turned(photo, turns)
            coarse, small = self.coarse(photo)
        if not self.is_official and float(coarse.mean()) > close_ups.MIN_SHARE:
            second, _ = self.coarse(close_ups.with_surroundings(photo))
            coarse = close_ups.filled(coarse, close_ups.without_surroundings(second, coarse.shape))
        alpha = settled(refine(coarse, small, photo))
        return _turned(alpha if is_confident(alpha) else np.zeros_like(alpha), -turns)

    def _quarter_turns(self, photo: UInt8Image, coarse: FloatPlane) -> int:
        """Quarter turns to the left after which the photo's people are upright."""
        if not sideways.may_lie(coarse):
            return 0
        mattes = []
        for turns in (1, 3):
            found, _ = self.coarse(_turned(photo, turns))
            if not is_confident(found):
                return 0
            mattes.append(_turned(found, -turns))
        return sideways.quarter_turns(coarse, *mattes, alpha_is_sure=is_confident(coarse))

    def coarse(self, photo: UInt8Image, short_side: int | None = None) -> tuple[FloatPlane, UInt8Image]:
        """The matte float32 `[h, w]` and the photo uint8 `[h, w, 3]` at the size at which the network works."""
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise ImageError(f"a matting model takes uint8 [H, W, 3], not {photo.dtype} {list(photo.shape)}.")
        if min(photo.shape[:2]) < _MIN_SIDE:
            raise ImageError(
                f"a picture of {photo.shape[1]}×{photo.shape[0]} pixels is too small to find people in:"
                f" {_MIN_SIDE}×{_MIN_SIDE} is the least."
            )
        if self.metadata is None:
            height, width = paper_size(photo.shape[0], photo.shape[1])
        else:
            reference = short_side or self.metadata.reference_size
            height, width = working_size(photo.shape[0], photo.shape[1], reference)
        scaled = area_resize(photo, height, width)
        small: UInt8Image = np.rint(scaled).astype(np.uint8)
        if self.is_official:
            planes = ((scaled - 127.5) / 127.5).astype(np.float32).transpose(2, 0, 1)[None]
            found = self._engine.run(np.ascontiguousarray(planes))[0, 0]
        else:
            found = self._engine.run(small[None])[0, :, :, 0]
        return np.clip(found, 0, 1).astype(np.float32), small


def working_size(height: int, width: int, reference: int) -> tuple[int, int]:
    """The size at which our network sees a picture: its short side at `reference`, both sides multiples of 32.

    A picture longer than four short sides is brought to four, so that a panorama costs no more than others.
    """
    scale = min(reference / min(height, width), _MAX_ASPECT * reference / max(height, width))
    return tuple(max(1, round(side * scale / STRIDE)) * STRIDE for side in (height, width))  # type: ignore[return-value]


def paper_size(height: int, width: int, reference: int = _PAPER_SIZE) -> tuple[int, int]:
    """The size at which MODNet sees a picture, as its authors' demos have it.

    The short side goes to `reference` if all of the picture is smaller or larger than that; both sides are then cut to
    multiples of 32.
    """
    if max(height, width) < reference or min(height, width) > reference:
        short = min(height, width)
        height, width = int(height / short * reference), int(width / short * reference)
    return max(STRIDE, height - height % STRIDE), max(STRIDE, width - width % STRIDE)


def settled(alpha: FloatPlane) -> FloatPlane:
    """A matte stretched a little beyond 0 and 1, so that what is nearly there is there; no step arises.

    Else two fifths of a picture can be "outline" whose colours must be separated, with shades that nobody sees.
    """
    stretched: FloatPlane = ((alpha - _CERTAIN_MARGIN) / (1 - 2 * _CERTAIN_MARGIN)).clip(0, 1)
    return stretched


def _turned(plane: NDArray[Any], turns: int) -> NDArray[Any]:
    """`[H, W, …]` turned to the left by so many quarters."""
    return np.ascontiguousarray(np.rot90(plane, turns)) if turns else plane


def has_person(alpha: FloatArray) -> bool:
    """True if a matte holds more than specks."""
    return float((alpha > 0.5).mean()) >= _MIN_PERSON_SHARE


def is_confident(alpha: FloatArray) -> bool:
    """True if much of what is more than a trace is nearly 1."""
    return float((alpha > 0.9).mean()) >= _MIN_CONFIDENT_SHARE * float((alpha > 0.1).mean())


def _description(session: Session, path: Path) -> MattingMetadata | None:
    """Our model's description, or None for MODNet's own; raises `ModelError` for any other model."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    kinds = [value.type for value in (*inputs, *outputs)]
    shapes = [value.shape for value in (*inputs, *outputs)]
    if _like_the_papers(kinds, shapes):
        fixed = [extent for extent in shapes[0][2:] if isinstance(extent, int)]
        if fixed:
            raise ModelError(f"{path} takes pictures of one size only ({fixed[0]}): H and W must be free.")
        return None
    if [value.name for value in (*inputs, *outputs)] != ["image", "alpha"]:
        names = ", ".join(value.name for value in (*inputs, *outputs))
        raise ModelError(f"{path} is not a matting model: it has {names} where 'image' and 'alpha' are expected.")
    if kinds != ["tensor(uint8)", "tensor(float)"] or shapes[0][3:] != [3] or shapes[1][3:] != [1]:
        raise ModelError(f"{path} is not a matting model: its shapes are {shapes[0]} and {shapes[1]}.")
    return read_matting_description(path)


def _like_the_papers(kinds: list[str], shapes: list[list[int | str | None]]) -> bool:
    """Float planes in, one float plane out. An exporter may have left the single channel nameless."""
    if kinds != ["tensor(float)", "tensor(float)"] or [len(shape) for shape in shapes] != [4, 4]:
        return False
    return shapes[0][1] == 3 and (shapes[1][1] == 1 or not isinstance(shapes[1][1], int))
