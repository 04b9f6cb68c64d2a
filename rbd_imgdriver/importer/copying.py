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
"""Raw data from one RBD image to another, without the holes.

Not with qemu-img, which sees disks of whole sectors only.
"""

from collections.abc import Iterator
import contextlib

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.importer import fan_out
from rbd_imgdriver.importer import progress
from rbd_imgdriver.importer.source import cluster

_ZERO_STEP = 1024 ** 3  # bytes


@contextlib.contextmanager
def writing(pool: parts.Pool, name: str) -> Iterator[parts.Writer]:
    """Open an image for writing, and write all out at the end.

    The writer's methods must be called in a native thread.
    """
    opened = pool.data.writer(name)
    try:
        yield opened
    except BaseException:
        blocking.run(opened.abandon)
        raise
    blocking.run(opened.close)


def copy(source: cluster.Source, into: parts.Writer,
         reporter: progress.Reporter) -> int:
    """Copy into an image that reads as zeros.

    :returns: bytes copied
    """
    copied = 0
    reporter.begin('copying', source.size)
    with contextlib.closing(fan_out.through(
            source.pieces(), [into.write_at])) as pieces:
        for offset, data in pieces:
            copied += len(data)
            reporter.advance(offset + len(data))
    return copied


def replace(source: cluster.Source, name: str,
            reporter: progress.Reporter) -> int:
    """Give an image in the source's pool the source's contents.

    :param name: of an image as large as the source
    :returns: bytes copied
    """
    with writing(source.pool, name) as into:
        reporter.begin('zeroing', source.size)
        for start in range(0, source.size, _ZERO_STEP):
            end = min(start + _ZERO_STEP, source.size)
            blocking.run(into.zero, start, end - start)
            reporter.advance(end)
        return copy(source, into, reporter)
