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

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses

from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer import copying
from rbd_imgdriver.importer import fair_semaphore
from rbd_imgdriver.importer import job as jobs
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer import pipeline
from rbd_imgdriver.importer import progress
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.source import cluster
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver import signals


@dataclasses.dataclass(frozen=True)
class Imported:
    """An RBD image with all of an image's data, checked.

    :param name: of the RBD image
    :param size: its bytes
    :param bytes_moved: bytes downloaded or copied within the cluster
    """

    name: str
    size: int
    bytes_moved: int


Publish = Callable[[Imported], None]


class Importer:
    """Makes RBD images of image data.  One serves all of a backend.

    :param settings: what the operator decided
    """

    def __init__(self, settings: options.Options) -> None:
        self._settings = settings
        # Conversions want the processors, streams the network: a queue of
        # the one is no reason to keep the other waiting.
        self._streams = fair_semaphore.FairSemaphore(settings.concurrent)
        self._conversions = fair_semaphore.FairSemaphore(settings.concurrent)
        self._pipeline = pipeline.Pipeline(settings)

    @signals.importing
    def import_image(self, image: model.Image, data: model.ImageData,
                     target: targets.Target, *,
                     publish: Publish | None = None,
                     progress: progress.Listener | None = None,
                     golden: clones.SnapshotSpec | None = None) -> Imported:
        """Make the target hold the image's data, checked.

        Nobody sees an image of its name before all of it is there and every
        check has passed.  On any failure nothing is left.

        :param publish: called with the whole image, to give it its name;
            when it fails the image is removed.  None: it is renamed
        :param progress: called with (bytes done, bytes to do) every second
            or two as long as the import lives; what it raises ends it
        :param golden: a snapshot in this cluster that holds the disk of the
            image, checked: nothing needs to be downloaded
        :raises rbd_imgdriver.errors.ImageError: when the image cannot be had
            or must not be used
        :raises rbd_imgdriver.ceph.errors.CephError: when Ceph refuses
        """
        self.admit(image, target.limit)
        job = self._job(image, data, target, progress, golden)
        made = job.partial
        with self._filled(job, target.metadata) as moved:
            made.finish()
            whole = Imported(made.name, made.size, moved)
            if publish is None:
                temporary.publish(target.pool, made.name, target.name)
            else:
                publish(whole)
        return dataclasses.replace(whole, name=target.name)

    @signals.importing
    def overwrite(self, image: model.Image, data: model.ImageData,
                  target: targets.Target,
                  golden: clones.SnapshotSpec | None = None) -> Imported:
        """Give a volume that exists the contents of an image.

        Its snapshots stay as they are.  The volume is not touched before
        every check has passed; then what it held is zeroed and the image's
        disk copied into it within the cluster.

        :param target: see :func:`rbd_imgdriver.importer.target.existing`;
            nobody may have it open
        :param golden: as for :meth:`import_image`
        :raises: as :meth:`import_image`
        """
        self.admit(image, target.limit)
        job = self._job(image, data, target, None, golden)
        partial = job.partial
        with self._filled(job, {}) as moved:
            source = cluster.Source(target.pool, partial.name, target.limit)
            moved += copying.replace(source, target.name, job.reporter)
        temporary.discard(target.pool, partial.name)
        return Imported(target.name, target.limit, moved)

    def create_encrypted(self, pool: parts.Pool, name: str, *,
                         order: int, size: int,
                         encryption: luks_header.Encryption) -> None:
        """Make an encrypted volume that holds nothing.

        Its header comes in front of the size, as with Cinder's driver.

        :param order: log2 of the object size in bytes
        :param size: bytes that the volume's user sees
        :raises confined.Failed: when cryptsetup cannot make such a container
        :raises rbd_imgdriver.ceph.errors.CephError: when Ceph refuses
        """
        partial = partials.Partial('', pool, temporary.new_name(name), order,
                                   size, size)
        with partial.made(None, {}):
            self._pipeline.make_blank(partial, encryption)
            partial.finish()
            temporary.publish(pool, partial.name, name)

    def rekeyed(self, header: bytes, old: str,
                encryption: luks_header.Encryption) -> bytes:
        """A LUKS header of the same master key for another passphrase.

        :param header: one that ``old`` opens
        :param old: a passphrase
        :param encryption: with the new one
        :raises confined.Failed: when ``old`` does not open it
        """
        return self._pipeline.rekeyed(header, old, encryption)

    def _job(self, image: model.Image, data: model.ImageData,
             target: targets.Target, listener: progress.Listener | None,
             golden: clones.SnapshotSpec | None) -> jobs.Job:
        partial = partials.Partial(
            image.id, target.pool,
            target.partial or temporary.new_name(target.name), target.order,
            target.limit, target.size)
        return jobs.Job(
            image, data, partial, target.limit, self._settings.retries,
            _reporter(image, partial, listener), self._settings.vmdk_types,
            target.encryption, golden, owner=target.project or image.owner)

    @contextlib.contextmanager
    def _filled(self, job: jobs.Job,
                metadata: Mapping[str, str]) -> Iterator[int]:
        """A partial image with all the data; gone when the context fails.

        :returns: bytes moved
        """
        queue = self._conversions if job.converts else self._streams
        with job.partial.made(job.image.minimal_size, metadata), \
                queue.turn(job.reporter.alive, job.owner):
            yield self._pipeline.fill(job)

    def admit(self, image: model.Image, limit: int) -> None:
        """Refuse at once what needs no look at the data.

        :raises rbd_imgdriver.errors.ImageError: when it is refused
        """
        settings = self._settings
        if image.disk_format not in formats.KNOWN:
            raise errors.ImageUnsafe(
                image.id, 'no volume can be made from the disk format '
                f'{image.disk_format!r}; supported formats are '
                f'{", ".join(sorted(formats.KNOWN))}')
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
        if image.size == 0:
            partials.refuse_empty(image.id)


def _reporter(image: model.Image, partial: partials.Partial,
              listener: progress.Listener | None) -> progress.Reporter:
    return progress.Reporter(
        f'Import of image {image.id} into {partial.pool}/{partial.name}',
        listener or (lambda done, total: None), partial.note)
