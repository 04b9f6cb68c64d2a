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

"""Choosing TCP ports so that several sandboxes can run on one machine.

Each sandbox starts looking at a place that its directory's name gives, takes
the first block of ports in which all are free, and remembers it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import json
import pathlib
import socket

# Below the ports that Linux gives to outgoing connections (32768), above
# those of well-known services; Ceph's OSDs look after themselves (6800+).
FIRST = 20000
BLOCK = 20
BLOCKS = 600

# The position of a name is its offset in the block: append only.
NAMES = ('mon', 'mon_v1', 'mariadb', 'rabbitmq', 'rabbitmq_dist', 'epmd',
         'memcached', 'keystone', 'glance', 'cinder', 'placement', 'nova',
         'nova_metadata', 'web', 'network')


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(('127.0.0.1', port))
        except OSError:
            return False
    return True


def blocks(seed: int) -> Iterator[range]:
    """All blocks of ports, beginning with the one that the seed gives."""
    for step in range(BLOCKS):
        first = FIRST + (seed + step) % BLOCKS * BLOCK
        yield range(first, first + BLOCK)


def choose(seed: int, free: Callable[[int], bool] = is_free,
           ) -> dict[str, int]:
    """The first block in which no port is taken, by name."""
    for block in blocks(seed):
        if all(free(port) for port in block):
            return dict(zip(NAMES, block, strict=False))
    raise OSError(f'no block of {BLOCK} free ports')


def remembered(path: pathlib.Path, seed: int) -> dict[str, int]:
    """The ports in a file, or newly chosen ones which are then put there."""
    if path.exists():
        first = json.loads(path.read_text())['first']
        return dict(zip(NAMES, range(first, first + BLOCK), strict=False))
    ports = choose(seed)
    partial = path.with_suffix('.partial')
    partial.write_text(json.dumps({'first': ports[NAMES[0]]}) + '\n')
    partial.rename(path)
    return ports
