"""What is in a folder and is no file: pipes, sockets, devices.

Belongs here: making them so that a program which opens one fails its test instead of waiting for ever.
"""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final


def make_pipe(place: Path) -> None:
    """A named pipe. Who opens it to read gets an end without a byte."""
    os.mkfifo(place)
    threading.Thread(target=lambda: place.open("wb").close(), daemon=True).start()


def make_socket(place: Path) -> None:
    """A socket as a server that ended leaves it."""
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(place.parent)  # the name of a socket has 108 bytes at most
        try:
            server.bind(place.name)
        finally:
            os.chdir(here)


def make_device(place: Path) -> None:
    """A link to a device that never ends."""
    place.symlink_to("/dev/zero")


SPECIAL: Final[tuple[Callable[[Path], None], ...]] = (make_pipe, make_socket, make_device)
