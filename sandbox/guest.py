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

"""A virtual machine in software: boot a disk, read what the guest says."""

from __future__ import annotations

from collections.abc import Iterator
import os
import pathlib
import selectors
import subprocess
import time
from typing import BinaryIO

from sandbox import errors

NAME = 'guest'
MARK = 'GUEST '
READY = 'ready'


def rbd_drive(pool: str, image: str, user: str, conf: str) -> str:
    """QEMU's name for a disk in Ceph."""
    return f'rbd:{pool}/{image}:id={user}:conf={conf}'


def boot(drive: str, log: pathlib.Path,
         timeout: float = 120) -> Iterator[str]:
    """Boot a guest_image; yield its first lines, then turn it off.

    :param log: gets everything the guest says on its serial line
    """
    # /dev/kvm may exist and yet not work: the guest is emulated.
    command = ['qemu-system-x86_64', '-accel', 'tcg',
               '-m', '256', '-nodefaults', '-display', 'none', '-no-reboot',
               '-serial', 'stdio',
               '-drive', f'file={drive},format=raw,if=virtio,cache=none']
    with open(log, 'wb') as output, subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=output) as machine:
        try:
            yield from _first_lines(machine, output, log, timeout)
        finally:
            _turn_off(machine)


def _turn_off(machine: subprocess.Popen[bytes]) -> None:
    # Politely: QEMU then closes its disk.  Ceph would otherwise believe for
    # half a minute that it is in use.
    machine.terminate()
    try:
        machine.wait(10)
    except subprocess.TimeoutExpired:
        machine.kill()


def _first_lines(machine: subprocess.Popen[bytes], output: BinaryIO,
                 log: pathlib.Path, timeout: float) -> Iterator[str]:
    for raw in _lines(machine, time.monotonic() + timeout):
        output.write(raw + b'\n')
        output.flush()
        text = raw.decode(errors='replace').strip()
        _, found, said = text.partition(MARK)
        if found and said == READY:
            return
        if found:
            yield said
    raise errors.SandboxError(
        NAME, f'it did not boot in {timeout:.0f} s', log)


def _lines(machine: subprocess.Popen[bytes], end: float) -> Iterator[bytes]:
    """Lines of the serial port until it closes or the time is over."""
    assert machine.stdout is not None
    descriptor = machine.stdout.fileno()
    pending = b''
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(max(0, end - time.monotonic())):
            data = os.read(descriptor, 4096)
            if not data:
                return
            *lines, pending = (pending + data).split(b'\n')
            yield from lines
