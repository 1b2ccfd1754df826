"""Samples of this host's devices, taken beside the work and spooled as telemetry."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final, Self

from telemetry.events import utc_now
from telemetry.gpu_samples import GpuSample

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from backends.devices import Devices
    from backends.readings import Reading
    from telemetry.spool import Spool

_LOG: Final = logging.getLogger(__name__)
# A driver that hangs is left behind: a run that is terminated has 6 s for all its clean-up.
_STOP_S: Final = 1.0


def sample_of(reading: Reading, *, sampled_at: str, run_id: str | None = None) -> GpuSample:
    """A reading as a row of telemetry."""
    return GpuSample(
        sample_id=os.urandom(16).hex(),
        sampled_at=sampled_at,
        device=reading.name,
        uuid=reading.uuid,
        kind=reading.kind,
        memory_total_mib=reading.memory_total_mib,
        memory_used_mib=reading.memory_used_mib,
        utilization=reading.utilization,
        memory_utilization=reading.memory_utilization,
        power_w=reading.power_w,
        temperature_c=reading.temperature_c,
        processes=None if reading.processes is None else len(reading.processes),
        run_id=run_id,
    )


class Sampler:
    """Samples all devices every so many seconds in a thread of its own, from ``begin`` until the block is left.

    Whatever goes wrong with a device is logged and fails nobody. The host's memory is sampled with the cards, and
    without any: it is the device of a model that runs on the processor, and reading it costs next to nothing.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        every_s: float,
        run_id: str | None = None,
        open_devices: Callable[[], Devices] | None = None,
    ) -> None:
        """Make one.

        Args:
            spool: Takes the samples. Its own, not the one of the events: a sample that cannot be written is no lost
                event.
            every_s: Seconds from one sample to the next; 0 samples nothing.
            run_id: Run that goes on meanwhile.
            open_devices: What is sampled; this host's devices if None. Called in the thread, since a driver takes
                its time.
        """
        self._spool = spool
        self._every_s = every_s
        self._run_id = run_id
        self._open_devices = _this_hosts_devices if open_devices is None else open_devices
        self._has_begun = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="device-sampler", daemon=True)

    def begin(self) -> None:
        """Begin to sample, unless it has begun; at once, and without waiting for it."""
        if self._has_begun or self._every_s == 0:
            return
        self._has_begun = True
        try:
            self._thread.start()
        except RuntimeError:  # no thread can be started
            _LOG.exception("The devices are not sampled; the work goes on.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
            if self._thread.is_alive():
                _LOG.warning(
                    "The sampler of devices does not stop, and is left behind: does the driver hang?"
                )

    def _work(self) -> None:
        told: set[str] = set()
        try:
            with self._open_devices() as devices:
                while not self._stopping.is_set():
                    self._sample(devices, told)
                    self._stopping.wait(self._every_s)
        except Exception:  # noqa: BLE001 - telemetry fails no inference
            _LOG.exception("The devices are sampled no more; the work goes on.")

    def _sample(self, devices: Devices, told: set[str]) -> None:
        sampled_at = utc_now()
        read = devices.read()
        for problem in read.problems:
            if problem not in told:
                _LOG.warning("A device cannot be sampled. %s", problem)
                told.add(problem)
        for reading in read.devices:
            # The spool may be closed by now if reading took long.
            if self._stopping.is_set():
                return
            self._spool.append(sample_of(reading, sampled_at=sampled_at, run_id=self._run_id))


def _this_hosts_devices() -> Devices:
    # The binding is large, and in the thread nobody waits for it.
    from backends.devices import Devices  # noqa: PLC0415 - see above

    return Devices()
