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

"""How many connections a monitor has seen, asked without making one."""

from __future__ import annotations

import json
import pathlib
import socket
import struct


def opened(admin_socket: pathlib.Path) -> int:
    """The sessions that a monitor has opened since it was started.

    From its performance counters (``ceph daemon mon.a perf dump``), over its
    admin socket: the request ends with a zero byte, and the answer begins
    with its length.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(admin_socket))
        connection.sendall(b'{"prefix": "perf dump"}\0')
        with connection.makefile('rb') as answer:
            length, = struct.unpack('>I', answer.read(4))
            counters = json.loads(answer.read(length))
    return int(counters['mon']['session_add'])
