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
"""What nobody has a reason to open or to connect to."""

import contextlib
import ctypes
import os
import pathlib
import socket
import struct

_WORDS = b'THIS MUST NOT GET INTO A VOLUME '
# inotify(7)
_ACCESS, _MODIFY, _OPEN = 0x1, 0x2, 0x20
_EVENT = struct.Struct('iIII')


class Canary:
    """A file of the host: knows who opened it, not only who has read it.

    :param path: of the file, which is made
    """

    words = _WORDS

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        path.write_bytes(_WORDS * 65536)
        path.chmod(0o644)
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watch = libc.inotify_add_watch(self._inotify, os.fsencode(path),
                                       _ACCESS | _MODIFY | _OPEN)
        if watch < 0:
            raise OSError(ctypes.get_errno(), f'cannot watch {path}')

    def opened(self) -> int:
        """How often it was opened or read since the last question."""
        events = 0
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._inotify, 65536):
                at = 0
                while at < len(data):
                    at += _EVENT.size + _EVENT.unpack_from(data, at)[3]
                    events += 1
        return events

    def close(self) -> None:
        """Stop watching."""
        os.close(self._inotify)


class Listener:
    """A port of the host: knows who has connected to it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(('127.0.0.1', 0), backlog=64)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def connected(self) -> int:
        """How often somebody did since the last question."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.accept()[0].close()
                count += 1
        return count

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
