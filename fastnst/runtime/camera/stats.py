"""Measures of a live session: rate, latency from capture to screen, dropped pictures, memory."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

import numpy as np

_RECENT_SECONDS = 10.0  # seconds that "now" means


class Stats:
    """Collects without growing: a histogram of all latencies in milliseconds, and the last seconds in full."""

    def __init__(self) -> None:
        self.shown = self.dropped = 0
        self.started = time.perf_counter()
        self._latencies = np.zeros(2001, dtype=np.int64)  # the last bucket is "two seconds and more"
        self._inference = 0.0
        self._recent: deque[tuple[float, float]] = deque()

    def add(self, captured: float, inference: float, skipped: int) -> None:
        """A picture was just shown: when it was captured, seconds of inference, pictures skipped before it."""
        now = time.perf_counter()
        latency = now - captured
        self.shown += 1
        self.dropped += skipped
        self._inference += inference
        self._latencies[min(2000, int(latency * 1000))] += 1
        self._recent.append((now, latency))
        while now - self._recent[0][0] > _RECENT_SECONDS:
            self._recent.popleft()

    @property
    def rate(self) -> float:
        """Pictures a second, of late."""
        if len(self._recent) < 2:
            return 0.0
        return (len(self._recent) - 1) / max(1e-9, self._recent[-1][0] - self._recent[0][0])

    @property
    def latency(self) -> float:
        """Median seconds from capture to screen, of late."""
        return float(np.median([latency for _, latency in self._recent])) if self._recent else 0.0

    def recent(self) -> str:
        """One line on the last ten seconds."""
        latencies = [1000 * latency for _, latency in self._recent] or [0.0]
        middle, high = np.percentile(latencies, [50, 95])
        memory = resident_mebibytes()
        return (
            f"{time.perf_counter() - self.started:6.0f} s: {self.shown} shown, {self.rate:.1f} fps, latency"
            f" {middle:.0f} ms (95 %: {high:.0f}, most {max(latencies):.0f}), {self.dropped} dropped"
            + (f", {memory:.0f} MiB" if memory else "")
        )

    def summary(self, interval: float) -> str:
        """Lines on the whole session; `interval` is the camera's, seconds."""
        if not self.shown:
            return "no picture was shown"
        inference = self._inference / self.shown
        middle, high = self._percentile(0.5), self._percentile(0.95)
        bound = 1000 * (interval + inference)
        return (
            f"{self.shown} shown, {self.dropped} dropped, {self.shown / (time.perf_counter() - self.started):.1f} fps\n"
            f"latency from capture to shown: {middle} ms median, {high} ms for 95 %\n"
            f"inference {1000 * inference:.1f} ms, a frame's interval {1000 * interval:.1f} ms:"
            f" their sum, the goal, is {bound:.1f} ms"
        )

    def _percentile(self, share: float) -> int:
        return int(np.searchsorted(np.cumsum(self._latencies), share * self.shown))


def resident_mebibytes() -> float | None:
    """Memory that this process holds, where the system reports it (Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
