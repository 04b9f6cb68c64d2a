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
"""The importer: an image's data into a new RBD image, checked."""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses

from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver import errors
from rbd_imgdriver.importer import cluster_source
from rbd_imgdriver.importer import convert
from rbd_imgdriver.importer import formats
from rbd_imgdriver.importer import job as jobs
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer import program
from rbd_imgdriver.importer import progress
from rbd_imgdriver.importer import qemu
from rbd_imgdriver.importer import spool
from rbd_imgdriver.importer import stream
from rbd_imgdriver.importer import turns
from rbd_imgdriver import model
from rbd_imgdriver import signals

# CPU seconds to look at an image; a conversion gets more, by its size.
_CPU = 60


@dataclasses.dataclass(frozen=True)
class Imported:
    """An import that went well.

    :param size: bytes of the new RBD image
    :param bytes_moved: bytes downloaded or copied within the cluster
    """

    size: int
    bytes_moved: int


class Importer:
    """Makes RBD images of image data.  One serves all of a backend.

    :param settings: what the operator decided
    """

    def __init__(self, settings: options.Options) -> None:
        self._settings = settings
        self._turns = turns.Turns(settings.concurrent)
        self._spooler = spool.Spooler(settings.conversion_dir,
                                      settings.lock_path)
        self._limits = program.Limits(settings.user, settings.memory_limit,
                                      _CPU, settings.stall_timeout)

    @signals.importing
    def import_image(self, image: model.Image, data: model.ImageData,
                     pool: ceph_pool.Pool, name: str, *, order: int,
                     limit: int, size: int | None = None,
                     metadata: Mapping[str, str] | None = None,
                     progress: progress.Listener | None = None) -> Imported:
        """Make RBD image ``name`` hold the image's data, checked.

        Nobody sees an image of that name before all of it is there and every
        check has passed.  On any failure nothing is left.

        :param order: log2 of the object size in bytes
        :param limit: bytes of the volume
        :param size: bytes of the RBD image; None: those of the disk inside,
            rounded up to whole GiB
        :param metadata: image metadata to set on it
        :param progress: called with (bytes done, bytes to do) every second
            or two as long as the import lives; what it raises ends it
        :raises rbd_imgdriver.errors.ImageError: when the image cannot be had
            or must not be used
        :raises rbd_imgdriver.ceph.errors.CephError: when Ceph refuses
        """
        self.admit(image, limit)
        partial = partials.Partial(image.id, pool, name, order, limit, size)
        job = jobs.Job(image, data, partial, limit, self._settings.retries,
                       _reporter(image, partial, progress))
        partial.create(image.minimal_size, metadata or {})
        with partials.removed_on_error(partial), \
                self._turns.turn(job.reporter.alive):
            moved = self._fill(job)
            partial.publish()
        return Imported(partial.size, moved)

    def admit(self, image: model.Image, limit: int) -> None:
        """Refuse at once what needs no look at the data.

        :raises rbd_imgdriver.errors.ImageError: when it is refused
        """
        settings = self._settings
        if image.disk_format not in formats.KNOWN:
            raise errors.ImageUnsafe(
                image.id, f'its disk format {image.disk_format!r} cannot be '
                f'made a volume; known are {", ".join(sorted(formats.KNOWN))}')
        if settings.conversion_disabled and image.disk_format != 'raw':
            raise errors.ConversionDisabled(
                image.id, f'it is {image.disk_format} and the operator has '
                'disabled image conversion; use a raw image')
        if (image.container_format == 'compressed'
                and not settings.compressed_allowed):
            raise errors.ImageUnsafe(
                image.id, 'it is compressed, which the operator has not '
                'allowed (allow_compression_on_image_upload)')
        partials.check_fits(image.id, image.minimal_size or 0, limit)

    def _fill(self, job: jobs.Job) -> int:
        with cluster_source.opened(job.image, job.partial.pool,
                                   job.partial.name + '.source') as source:
            if source is not None:
                return self._within_cluster(job, source)
        if job.image.disk_format in formats.PLAIN:
            return self._stream(job)
        return self._through_file(job)

    def _within_cluster(self, job: jobs.Job,
                        source: cluster_source.Source) -> int:
        """Straight from Glance's snapshot."""
        disk_format = job.inspect(source.chunks())
        if disk_format == 'raw':
            return self._copy(job, source)
        with convert.cluster(source.pool) as cluster:
            return self._convert(
                job, disk_format,
                cluster.node(source.pool.name, source.name), cluster)

    def _copy(self, job: jobs.Job, source: cluster_source.Source) -> int:
        """Raw data, from one image to the other without the holes.

        qemu-img would ask Ceph for each hole apart: hours for a TiB.
        """
        moved = 0
        job.partial.fit(source.size)
        job.reporter.begin('copying', source.size)
        with job.partial.writing() as writer, contextlib.closing(
                stream.pouring(source.pieces(), [writer.write_at])) as pieces:
            for offset, data in pieces:
                moved += len(data)
                job.reporter.advance(offset + len(data))
        return moved

    def _stream(self, job: jobs.Job) -> int:
        """One pass, straight into the RBD image."""
        expected = None if job.compressed else job.image.size
        job.partial.fit(job.limit if expected is None else expected)
        with job.partial.writing() as writer:
            done = job.download(writer.write)
        job.partial.fit(done.length)
        return done.received

    def _through_file(self, job: jobs.Job) -> int:
        """Download to a file, then convert from it."""
        with self._spooler.file(job.image.id, job.image.size or 0,
                                job.reporter.alive) as file:
            done = job.download(file.write)
            file.hand_over(self._settings.user)
            with convert.cluster(job.partial.pool) as cluster:
                self._convert(job, done.disk_format,
                              qemu.local(file.descriptor), cluster)
        return done.received

    def _convert(self, job: jobs.Job, disk_format: str, source: qemu.Node,
                 cluster: convert.Cluster) -> int:
        """:returns: bytes of the disk inside."""
        with _failures(job.image):
            facts = convert.info(disk_format, source, self._limits)
            objection = qemu.objection(disk_format, facts,
                                       self._settings.vmdk_types)
            if objection:
                raise errors.ImageUnsafe(job.image.id, objection)
            size = facts.virtual_size
            job.partial.fit(size)
            job.reporter.begin('converting', size)
            convert.convert(
                disk_format, source,
                cluster.node(job.partial.pool.name, job.partial.name), size,
                self._limits, job.reporter.advance)
        return size


def _reporter(image: model.Image, partial: partials.Partial,
              listener: progress.Listener | None) -> progress.Reporter:
    return progress.Reporter(
        f'Import of image {image.id} into {partial.pool}/{partial.name}',
        listener or (lambda done, total: None), partial.note)


@contextlib.contextmanager
def _failures(image: model.Image) -> Iterator[None]:
    try:
        yield
    except program.Failed as error:
        raise errors.ConversionFailed(image.id, str(error)) from error
