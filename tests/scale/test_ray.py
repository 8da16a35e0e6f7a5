"""The Ray engine on a cluster of two nodes on this machine; runs where the extra `ray` is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fastnst.scale import BatchOptions, stylize_dataset
from tests.scale.pictures import check_results, write_pictures

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray warns of much that is not ours


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    nodes.add_node(num_cpus=2)
    ray.init(address=nodes.address, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()
    nodes.shutdown()


def test_two_nodes_make_every_picture_once(cluster: None, tmp_path: Path, negative_model: Path) -> None:
    broken = (5, 77)
    write_pictures(tmp_path / "in", 120, broken=broken)
    options = BatchOptions(str(negative_model), provider="cpu", engine="ray", workers=2, threads=1)
    summary = stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    assert (summary.made, summary.failed) == (118, 2)
    check_results(tmp_path / "out", 120, broken=broken)
    lines = pq.read_table(tmp_path / "out" / "_fastnst" / "manifest.parquet").to_pylist()
    assert len({line["path"] for line in lines}) == len(lines) == 120
    write_pictures(tmp_path / "in", 130)
    summary = stylize_dataset(tmp_path / "in", tmp_path / "out", options)
    assert (summary.made, summary.kept) == (12, 118)


def test_ray_and_local_agree(cluster: None, tmp_path: Path, negative_model: Path) -> None:
    write_pictures(tmp_path / "in", 20)
    for engine in ("ray", "local"):
        options = BatchOptions(str(negative_model), provider="cpu", engine=engine, workers=1, threads=1)
        stylize_dataset(tmp_path / "in", tmp_path / engine, options)
    for path in (tmp_path / "local").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "ray" / path.relative_to(tmp_path / "local")).read_bytes()
