"""Which deployments are leased, where their models can be, and whether the ledger is right about it."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from backends.errors import BackendError, LoadingFailed, ModelMisconfigured, ModelUnreachable
from backends.leases.claiming import WHAT_TO_DO
from backends.leases.placing import places_on
from backends.leases.records import Served, ServerAddress
from backends.leases.state import Place, Resident, ServedModel
from backends.loading.choosing import LOADED_BY_US, loading_at
from backends.loading.supervised import NOT_A_SUPERVISOR
from registry.errors import BadDeploymentUrl, RegistryError
from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from backends.leases.ledger import Ledger
    from backends.leases.records import KeptResident
    from backends.leases.state import Device
    from backends.loading.protocol import Inventory, Loading
    from registry.schema import Deployment, Model

_LOG: Final = logging.getLogger(__name__)

SLOTS: Final = {"ollama": 1, "tf_iqa": 4, "trtllm": 16, "vllm": 16}
"""Requests that a server works on at once where the registry does not say, by provider."""

# Until it is learned: seconds to load and to unload, by provider.
_COSTS: Final = {"ollama": (10.0, 1.0), "tf_iqa": (15.0, 2.0), "trtllm": (120.0, 5.0), "vllm": (90.0, 5.0)}
# How long what a server said of itself holds.
_KEY_REFUSED: Final = frozenset({401, 403})
_LOOKED_S: Final = 30.0
_DEFAULT_TAG: Final = ":latest"


class Serving:
    """Deployments as the ledger sees them. Its methods ask servers, and block; call them from any thread."""

    def __init__(
        self,
        ledger: Ledger,
        devices: Sequence[Device],
        environ: Mapping[str, str],
        *,
        loading: Callable[[ServerAddress], Loading] = loading_at,
    ) -> None:
        """Make one, and tell the ledger of the devices.

        Args:
            ledger: The ledger.
            devices: Of this machine and of others, the default one first.
            environ: For deployments' addresses.
            loading: Gives the way to load at a server.
        """
        self._ledger = ledger
        self._devices = {device.name: device for device in devices}
        self._environ = environ
        self._loading = loading
        self._lock = threading.Lock()
        self._looked: dict[ServerAddress, float] = {}
        self._others = ledger.declare(devices)

    def served(self, model: Model, deployments: Sequence[Deployment]) -> Served | None:
        """The model as the ledger is to see it; None where whoever asks needs no lease.

        A server that is always there, and loads nothing as it is told, is not leased: it is asked at once.

        Args:
            model: The logical model.
            deployments: Where it may be asked, best first.

        Raises:
            ModelUnreachable: No server of them answers.
            ModelMisconfigured: A deployment names a device that is not declared, or its model fits none; or every
                server refuses our key.
        """
        leased: list[Deployment] = []
        problems: list[str] = []
        refused: list[str] = []
        for deployment in deployments:
            if deployment.provider not in LOADED_BY_US:
                return None if not leased else self._seen(model, leased)
            try:
                if not self._loads_as_told(model, deployment):
                    return None if not leased else self._seen(model, leased)
            except LoadingFailed as error:
                problems.append(f"Deployment {deployment.name!r} of model {model.name!r}: {error}")
                if error.http_status in _KEY_REFUSED:
                    named = deployment.control_key_env
                    refused.append(
                        f"correct {named}" if named else "name the variable with its key in api_key_env"
                    )
            else:
                leased.append(deployment)
        if not leased and len(refused) == len(problems):
            advice = " and ".join(dict.fromkeys(refused))
            raise ModelMisconfigured(f"{' '.join(problems)} In the registry, or the environment, {advice}.")
        if not leased:
            raise ModelUnreachable(
                f"{' '.join(problems)} Start the server, correct its base_url (the run's, or the registry's), or "
                f"choose another model."
            )
        return self._seen(model, leased)

    def always_there(self, model: Model, deployments: Sequence[Deployment]) -> tuple[Deployment, ...]:
        """Those of the deployments that need no lease: who asks at once is to leave out the others.

        Raises:
            ModelUnreachable: None of them answers any longer.
        """
        free = tuple(one for one in deployments if not self._is_leased(model, one))
        if not free:
            raise ModelUnreachable(
                f"No server of model {model.name!r} that needs no lease answers. Ask again."
            )
        return free

    def _is_leased(self, model: Model, deployment: Deployment) -> bool:
        if deployment.provider not in LOADED_BY_US:
            return False
        try:
            return self._loads_as_told(model, deployment)
        except (BackendError, RegistryError):
            # Why it cannot be is told when nothing else is left to ask.
            return True

    def look_again(self, model: Model, deployment: Deployment) -> None:
        """See whether a server that fails still has what the ledger says; what is learned is in the ledger."""
        with self._lock:
            self._looked.pop(address_of(model, deployment, self._environ), None)
        try:
            self._loads_as_told(model, deployment)
        except (BackendError, RegistryError, StoreError) as error:
            # Whoever asks it is told so by their own failures.
            _LOG.info("%s", error)

    def _loads_as_told(self, model: Model, deployment: Deployment) -> bool:
        address = address_of(model, deployment, self._environ)
        with self._lock:
            if time.monotonic() - self._looked.get(address, -_LOOKED_S) < _LOOKED_S:
                return True
        # Before the server is asked: what others load and unload meanwhile is theirs to put down.
        known = self._known(address)
        try:
            with closing(self._loading(address)) as loading:
                inventory = loading.inventory()
        except LoadingFailed as error:
            if error.http_status in NOT_A_SUPERVISOR:
                return False
            raise
        self._reconcile(self._seen(model, [deployment]), address, inventory, known)
        with self._lock:
            self._looked[address] = time.monotonic()
        return True

    def _reconcile(
        self, served: Served, address: ServerAddress, inventory: Inventory, known: KeptResident | None
    ) -> None:
        """Put down what the server has and the ledger did not know, and strike out what it has no longer."""
        self._ledger.raise_token(inventory.token)
        ids = {address.served_model_id, f"{address.served_model_id}{_DEFAULT_TAG}"}
        here = next((one for one in inventory.found if one.served_model_id in ids), None)
        if known is not None and known.resident.state not in {"ready", "draining"}:
            # It is being switched: whoever does it puts down how it ends.
            return
        if here is not None and here.ready and known is None:
            places = served.model.places
            # Ollama does not say where; then it is taken to be where it would rather be.
            place = next((one for one in places if one.device == inventory.device), places[0])
            self._ledger.adopt(Resident(place, "ready", 0.0, 0.0), served, token=here.token)
        elif here is not None and known is not None and not here.ready:
            self._ledger.reload(known.place, token=known.token)
        elif here is None and known is not None:
            self._ledger.miss(known.place, token=known.token)

    def _known(self, address: ServerAddress) -> KeptResident | None:
        residents = self._ledger.snapshot().residents
        # Others may know its supervisor by another key.
        server = replace(address, key_env=None)
        return next((kept for kept in residents if replace(kept.server, key_env=None) == server), None)

    def _seen(self, model: Model, deployments: Sequence[Deployment]) -> Served:
        name = self._leased_name(model, deployments)
        places: list[Place] = []
        for deployment in deployments:
            places += self._places(model, deployment, name)
        footprint = model.footprint
        largest = max(self._devices[place.device].memory_mib for place in places)
        memory_mib = footprint.vram_mib if footprint is not None else largest
        if memory_mib > largest:
            raise ModelMisconfigured(
                f"Model {model.name!r} takes {memory_mib} MiB, and the largest of its devices has {largest}. Correct "
                f"its footprint in the registry, or name another device."
            )
        servers = {one.name: address_of(model, one, self._environ) for one in deployments}
        load_s, unload_s = (
            max(costs) for costs in zip(*(_COSTS[one.provider] for one in deployments), strict=True)
        )
        return Served(
            ServedModel(
                name=name,
                memory_mib=memory_mib,
                places=tuple(places),
                slots=min(one.slots or SLOTS[one.provider] for one in deployments),
                load_s=load_s,
                unload_s=unload_s,
                tags=frozenset(model.placement.tags),
                exclusive=model.placement.exclusive or footprint is None,
                # A supervisor has one child.
                servers={name: server.url for name, server in servers.items() if server.fences},
            ),
            servers,
        )

    def _leased_name(self, model: Model, deployments: Sequence[Deployment]) -> str:
        """The model's name; with the addresses where one run reaches it elsewhere than the registry says.

        To the ledger that is another model: who is granted a resident there must not ask at the registry's address.
        """
        registered = {deployment.name: deployment for deployment in model.deployments}
        elsewhere = {
            url
            for one in deployments
            if (url := _url(one, self._environ)) != self._registered_url(registered.get(one.name))
        }
        return "@".join((model.name, *sorted(elsewhere)))

    def _registered_url(self, deployment: Deployment | None) -> str | None:
        try:
            return None if deployment is None else _url(deployment, self._environ)
        except BadDeploymentUrl:
            return None

    def _places(self, model: Model, deployment: Deployment, name: str) -> tuple[Place, ...]:
        names = deployment.devices or tuple(self._devices)[:1]
        unknown = [name for name in names if name not in self._devices]
        if unknown:
            raise ModelMisconfigured(
                f"Deployment {deployment.name!r} of model {model.name!r} is on {', '.join(unknown)}, which this "
                f"machine does not have and the registry does not declare; there are {', '.join(self._devices)}. "
                f"Declare it under devices, or name another."
            )
        for name_of_other in [one for one in names if one in self._others]:
            raise ModelMisconfigured(
                f"Deployment {deployment.name!r} of model {model.name!r} is on {name_of_other}, and in the ledger that "
                f"is {self._others[name_of_other]}. {WHAT_TO_DO}"
            )
        return places_on(
            [self._devices[name] for name in names],
            model=name,
            deployments=[deployment.name],
            prefers_slice=model.placement.prefer == "mig",
        )


def address_of(model: Model, deployment: Deployment, environ: Mapping[str, str]) -> ServerAddress:
    """Where a deployment's server is told to load.

    Raises:
        BadDeploymentUrl: It has no address, or none that can be used.
    """
    chat = model.capabilities.chat
    return ServerAddress(
        provider=deployment.provider,
        url=_url(deployment, environ),
        served_model_id=deployment.served_model_id,
        key_env=deployment.control_key_env,
        context_tokens=None if chat is None else chat.context_tokens,
    )


def _url(deployment: Deployment, environ: Mapping[str, str]) -> str:
    return deployment.url(environ).rstrip("/")
