"""The report.json of `fastnst compare`, read back: typed and bounded like every other description."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict, cast

from fastnst.errors import ConfigError
from fastnst.input_files import read_json
from fastnst.printable import printable
from fastnst.runtime.models.description import DescriptionError, fields_of


class Measures(TypedDict, total=False):
    """Means over the photos; of the network's pictures and of the photos themselves."""

    network: dict[str, float | None]
    photo: dict[str, float | None]


class ComparisonReport(TypedDict, total=False):
    """The part of a comparison that other commands read; all but the last two are always there."""

    style: str
    lbfgs_equivalent: float | None
    iterations: int
    photos: int
    pixels: list[list[int]]
    time_ratio: float
    measures: Measures
    start: str
    lbfgs_equivalent_from_noise: float | None


_OPTIONAL = {"start", "lbfgs_equivalent_from_noise"}


def read_report(path: Path, style: str) -> ComparisonReport:
    """The comparison of a style. Raises `ConfigError` for a file that is none, a damaged one, or another style's."""
    advice = "give --report the report.json of fastnst compare"
    content = read_json(path, "report")
    wanted = set(ComparisonReport.__annotations__) - _OPTIONAL
    if not isinstance(content, dict) or not wanted <= content.keys():
        raise ConfigError(f"{path} is not a comparison of a style: {advice}.")
    try:
        values = fields_of(ComparisonReport, content)
    except DescriptionError as error:
        raise ConfigError(f"the report {path} is damaged ({error}): {advice}.") from None
    report = cast("ComparisonReport", values)
    if report["style"] != style:
        raise ConfigError(f"{path} is about the style '{printable(report['style'], 60)}', not '{style}'.")
    if not (report["pixels"] and all(len(sides) == 2 for sides in report["pixels"])):
        raise ConfigError(f"the report {path} is damaged (pixels names no sizes): {advice}.")
    if not {"network", "photo"} <= report["measures"].keys():
        raise ConfigError(f"the report {path} is damaged (measures lacks the network's or the photos'): {advice}.")
    return report


def equivalent_from_noise(report: ComparisonReport) -> float | None:
    """N_eq of a report, L-BFGS begun with noise as in Johnson et al. (2016); None if it was not measured so."""
    if "lbfgs_equivalent_from_noise" in report:
        return report["lbfgs_equivalent_from_noise"]
    return report["lbfgs_equivalent"] if report.get("start") == "noise" else None
