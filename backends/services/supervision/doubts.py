"""What of a configuration that can be read will not work as this machine is."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from backends.keys import UnusableKey, read_key
from backends.services.supervision.configuration import PORT_PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from backends.services.supervision.configuration import Configuration


def doubts(configuration: Configuration, environ: Mapping[str, str]) -> Iterator[str]:
    """What somebody who writes a configuration, perhaps for another machine, should look at; a sentence each.

    Args:
        configuration: What would be started.
        environ: The environment that it would be started in.
    """
    if configuration.control_key_env is not None:
        try:
            read_key(configuration.control_key_env, environ)
        except UnusableKey as error:
            yield f"control_key_env: {error}: put a key into it before the supervisor is started."
    for name, served in configuration.models.items():
        program = served.command[0]
        if shutil.which(program, path=served.env.get("PATH", environ.get("PATH"))) is None:
            yield f"models.{name}.command: there is no program {program} here that can be run."
        if not any(PORT_PLACEHOLDER in argument for argument in served.command):
            yield (
                f"models.{name}.command: no argument has {PORT_PLACEHOLDER}, so see to it that the server listens on "
                f"child_port, {configuration.child_port}."
            )
