"""A proxy before a server, which misbehaves when told to."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Literal
from urllib.parse import urlsplit

Mood = Literal["passes", "refuses", "resets", "hangs", "cuts"]
"""What becomes of a connection: it is passed on; it is refused; it is reset at once; the server's answer, after it has
done what it was asked for, is kept back for ever; or the connection is cut in place of some of the answers."""
CHUNK = 65536


class Proxy:
    """A proxy on loopback before the server at `address`, for now one that passes everything on.

    When it `cuts`, it does so for a `share` of the answers.
    """

    def __init__(self, address: str, seed: int = 0, share: float = 0.25) -> None:
        target = urlsplit(address)
        self._target = (str(target.hostname), int(target.port or 80))
        self._random, self._share = random.Random(seed), share
        self._mood: Mood = "passes"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = _listening(0)
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._accepting()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def turn(self, mood: Mood) -> None:
        """Behave like this from now on; connections that are open are cut."""
        with self._lock:
            before, self._mood = self._mood, mood
        if mood == "refuses" and before != "refuses":
            _cut(self._listener)
        elif before == "refuses" and mood != "refuses":
            self._listener = _listening(self.port)
            self._accepting()
        self._cut_all()

    def close(self) -> None:
        """Refuse everything for good."""
        self.turn("refuses")

    def _cut_all(self) -> None:
        with self._lock:
            for connection in self._open:
                _cut(connection)
            self._open.clear()

    def _accepting(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self._mood == "resets":
            _cut(client)
            return
        with contextlib.suppress(OSError):
            server = socket.create_connection(self._target)
            with self._lock:
                self._open |= {client, server}
            asked = threading.Event()
            threading.Thread(target=self._questions, args=(client, server, asked), daemon=True).start()
            self._answers(server, client, asked)
        _cut(client)

    def _questions(self, client: socket.socket, server: socket.socket, asked: threading.Event) -> None:
        for data in _received(client):
            asked.set()
            with contextlib.suppress(OSError):
                server.sendall(data)
        _cut(server)

    def _answers(self, server: socket.socket, client: socket.socket, asked: threading.Event) -> None:
        for data in _received(server):
            if self._mood == "hangs":
                continue
            first = asked.is_set()
            asked.clear()
            if first and self._mood == "cuts" and self._random.random() < self._share:
                self.cuts += 1
                return
            client.sendall(data)


def _listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=128)


def _received(connection: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := connection.recv(CHUNK):
            yield data


def _cut(connection: socket.socket) -> None:
    """Close a connection at once, so that its other end is told of a reset."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
