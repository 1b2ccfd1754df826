"""What `build_definitions` puts together, in one value that every asset is built from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from imageworks_dagster.progress import ProgressSink, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prompt_hub.hub import PromptHub
    from registry.registry import Registry
    from store.settings import Settings

    EmbeddedFunction = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True)
class Assembly:
    """The parts, as they are when the definitions load.

    Attributes:
        settings: the settings in force.
        hub: the prompt profiles; runs load them anew, the graph's nodes are these.
        registry: the models; likewise.
        embedded: functions behind provider ``embedded``, by model name.
        embedded_revisions: digests of those functions' code, by model name.
        progress: where progress is shown besides the run's log.
    """

    settings: Settings
    hub: PromptHub
    registry: Registry
    embedded: Mapping[str, EmbeddedFunction] = field(default_factory=dict)
    embedded_revisions: Mapping[str, str] = field(default_factory=dict)
    progress: ProgressSink = field(default_factory=Silent)
