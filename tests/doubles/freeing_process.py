"""A process that unloads a model of an Ollama that frees its memory late: ``freeing_process.py HOME``, JSON out.

Its first line comes once the server has said that the model is gone, its second once the ledger says so.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from lease_desk import asked, party, resident, served

from backends.devices import Devices
from backends.leases.measuring import Machine
from backends.leases.observing import Pretended
from backends.leases.switching import Switches
from store.database import StateDatabase
from store.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from backends.leases.ledger import Ledger


def main(home: Path) -> None:
    machine = Machine(Devices(), {"GPU-0": "gpu0"})
    gone, over = threading.Event(), threading.Event()

    class Ollama(Pretended):
        def unload(self, token: int, *, going_on: Callable[[], bool]) -> None:
            del token, going_on
            gone.set()

    with StateDatabase.open(Settings(home=home)) as database:
        ledger = party(database)
        resident(ledger, served(provider="ollama"))
        (task,) = ledger.turn(enter=[asked("next", served("other"))]).tasks
        switches = Switches(
            ledger, told=lambda *_: None, loading=Ollama, ended=over.set, used_mib=machine.used_mib
        )
        switches.carry_out(task)
        gone.wait()
        tell(ledger, machine)
        over.wait()
        tell(ledger, machine)
    machine.close()


def tell(ledger: Ledger, machine: Machine) -> None:
    states = [kept.resident.state for kept in ledger.snapshot().residents]
    sys.stdout.write(json.dumps({"residents": states, "used_mib": machine.used_mib("gpu0")}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
