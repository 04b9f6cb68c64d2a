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
"""An image's disk into a LUKS container in RBD."""

import dataclasses
import os

from oslo_log import log as logging

from rbd_imgdriver import blocking
from rbd_imgdriver import errors
from rbd_imgdriver.importer import copying
from rbd_imgdriver.importer import job as jobs
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer.qemu import arguments
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import convert
from rbd_imgdriver.importer.qemu import luks
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.qemu import memfd
from rbd_imgdriver.importer.qemu import nbd
from rbd_imgdriver import model

LOG = logging.getLogger(__name__)

# Bytes that librbd may write to a file: it passes the header to libcryptsetup
# in a sparse one of 136 MiB, in memory (src/librbd/crypto/luks/Header.cc).
_LIBRBD_HEADER = 256 * 1024 * 1024

# Bytes of a tail that are looked at.
_TAIL = 16 * 1024 * 1024


def encrypt(job: jobs.Job, encryption: luks_header.Encryption,
            source: arguments.Source, size: int, into: arguments.Node,
            iterations: int, limits: confined.Limits) -> None:
    """Fill the partial image with a container of the disk.

    All of the disk's zeros are written, for a hole would decrypt to noise.

    :param size: bytes of the disk
    :param into: the partial image
    :param iterations: of the key's derivation
    :raises errors.ImageTooLarge: when the volume cannot hold disk and header
    :raises confined.Failed: when qemu-img does
    """
    with luks.key(encryption) as key:
        header = key.header(iterations, limits)
        room = job.limit - len(header)
        if size > room:
            _check_tail(job, source, size, room, limits)
            source = arguments.Source(source.disk_format, source.node, 0, room)
            size = room
        job.partial.fit(len(header) + size)
        with copying.writing(job.partial.pool, job.partial.name) as writer:
            blocking.run(writer.write, header)
        job.reporter.begin('encrypting', size)
        by_librbd, by_qemu = key.containers(into)
        try:
            _convert(job, source, by_librbd, size, limits)
        except nbd.NotServed as error:  # so nothing has been written
            LOG.info('librbd does not encrypt %(image)s, qemu does: %(error)s',
                     {'image': job.partial.name, 'error': error})
            _convert(job, source, by_qemu, size, limits)


def _convert(job: jobs.Job, source: arguments.Source,
             into: arguments.Target, size: int,
             limits: confined.Limits) -> None:
    convert.convert(
        source, into, size,
        dataclasses.replace(limits, file_size=_LIBRBD_HEADER),
        job.reporter.advance, zeroed=False)


def make_blank(partial: partials.Partial, encryption: luks_header.Encryption,
               iterations: int, limits: confined.Limits) -> None:
    """Make an empty container, whose inside has the image's present size.

    :param iterations: of the key's derivation
    :raises confined.Failed: when cryptsetup cannot make such a container
    """
    with luks.key(encryption) as key:
        header = key.header(iterations, limits)
    partial.enlarge(len(header))
    with partial.writing() as writer:
        blocking.run(writer.write, header)


def _check_tail(job: jobs.Job, source: arguments.Source, size: int, room: int,
                limits: confined.Limits) -> None:
    """What has no room beside the container's header must be zeros.

    A disk of exactly the volume's size may well end with them; Cinder's own
    driver cuts it off whatever it is.
    """
    length = size - room
    if length <= _TAIL:
        tail = arguments.Source(source.disk_format, source.node, room, length)
        with memfd.file('tail') as file:
            os.ftruncate(file, length)
            raw = arguments.Target('raw', arguments.local(file))
            convert.convert(tail, raw, length, limits,
                            lambda _: job.reporter.alive(), zeroed=True)
            if not os.pread(file, length, 0).strip(b'\0'):
                return
    raise errors.ImageTooLarge(
        job.image.id, f'its disk has {size} bytes, of which an encrypted '
        f'volume of {job.limit} bytes holds {room}; ask for one of at least '
        f'{model.gib_for(size + job.limit - room)} GiB')
