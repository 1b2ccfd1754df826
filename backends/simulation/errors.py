"""What can go wrong with a simulation.

::

    SimulationError
    ├── WorkloadError      the workload or the devices cannot be played as they are written
    └── PolicyBroken       a policy decided what is not possible
"""

from __future__ import annotations


class SimulationError(Exception):
    """Base of all."""


class WorkloadError(SimulationError):
    """The workload or the devices cannot be played as they are written."""


class PolicyBroken(SimulationError):
    """A policy decided what is not possible: over the memory, on a resident that is not ready."""
