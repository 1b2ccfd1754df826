"""What is looked at before programs start: ports are free, nobody else serves the home, its files can be used."""

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

from imageworks_dagster.errors import AlreadyServed
from store.path_text import path_text

if TYPE_CHECKING:
    from store.home import Home


def check_port(port: int, *, host: str = "127.0.0.1", again: str = "imageworks ui --port") -> None:
    """See that nobody listens on the port.

    Args:
        port: Of the host.
        host: The address that is going to be listened on; 0.0.0.0 or :: for each of this machine's.
        again: The command that takes another one.

    Raises:
        AlreadyServed: somebody does.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As the server asks for it: what a server that has ended left waiting takes no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AlreadyServed(
                f"Port {port} of {host} cannot be had: {error.strerror}. End the program that has it, or give "
                f"another one: {again} {port + 1 if port < 65535 else port - 1}"  # noqa: PLR2004 - the last port
            ) from error


def take_home(home: Home, port: int) -> None:
    """Be the only web UI of this home, until this process and the program that it becomes have ended.

    Two daemons on one home would each launch what its schedules and the inbox ask for.

    Raises:
        AlreadyServed: another one is; the message has its address.
    """
    # Never closed, and kept by the program that this process becomes: the kernel takes the lock back at its end.
    descriptor = os.open(home.locks / "ui.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        address = os.pread(descriptor, 100, 0).decode("ascii", "replace")
        os.close(descriptor)
        raise AlreadyServed(
            f"The home {path_text(home.root)} has a web UI already: {address or 'it is starting'}. Use that one, or "
            "end it first."
        ) from error
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"http://127.0.0.1:{port}".encode("ascii"), 0)
    os.set_inheritable(descriptor, True)


def check_files(home: Home) -> None:
    """See that the home's registry and prompts can be used, as runs and the gateway use them.

    Raises:
        registry.errors.RegistryError, prompt_hub.errors.PromptHubError: one cannot; the message has file and line.
    """
    # Not at the top: `imageworks ui` looks at ports alone, and these take their time.
    from imageworks.baseline.functions import embedded_revisions  # noqa: PLC0415 - see above
    from prompt_hub.hub import PromptHub  # noqa: PLC0415 - see above
    from registry.registry import Registry  # noqa: PLC0415 - see above

    Registry.load(home.registry, embedded=embedded_revisions())
    PromptHub.load_cached(home.prompts, home.cached_prompts)
