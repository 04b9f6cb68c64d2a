# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""A small HTTP server for what Prometheus reads.

Whoever can reach the port can connect.  So no connection lives for longer
than a few seconds, whatever its client does or leaves undone, and only a few
live at a time.
"""

from collections.abc import Callable
import contextlib
import http.server
import socket
import threading
from typing import Any

_PATIENCE = 10.0  # seconds that a connection may live
_AT_ONCE = 8  # connections


class Listener:
    """Answers every request with a text.

    :param address: to listen on
    :param port: to listen on; 0 for any that is free
    :param content_type: of the text
    :param text: gives the text
    :param patience: seconds that a connection may live
    :raises OSError: when the address cannot be listened on
    """

    def __init__(self, address: str, port: int, content_type: str,
                 text: Callable[[], bytes],
                 patience: float = _PATIENCE) -> None:
        family, *_, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE)[0]
        self._socket = socket.create_server(where[:2], family=family)
        self.port = int(self._socket.getsockname()[1])
        self._patience = patience
        self._places = threading.Semaphore(_AT_ONCE)
        self._handler = type('Handler', (_Handler,), {
            'timeout': patience, 'content_type': content_type,
            'text': staticmethod(text)})
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        # A thread in accept() is woken by this, not by close().
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(self._patience)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except ConnectionError:
                continue  # gone before it was accepted
            except OSError:
                return  # closed
            if not self._places.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,),
                             daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A timeout of the socket begins again with each byte; this does not.
        end = threading.Timer(self._patience, _shut_down, (connection,))
        end.daemon = True
        end.start()
        try:
            with connection, contextlib.suppress(OSError):
                self._handler(connection, None, None)
        finally:
            end.cancel()
            self._places.release()


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request; then the connection is closed, as in HTTP/1.0."""

    content_type: str
    text: Callable[[], bytes]

    def do_GET(self) -> None:
        """Send the text, whatever the path is."""
        text = self.text()
        self.send_response(200)
        self.send_header('Content-Type', self.content_type)
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing: a scrape is not an event."""


def _shut_down(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
