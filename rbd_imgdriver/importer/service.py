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

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver import errors
from rbd_imgdriver.importer import convert
from rbd_imgdriver.importer import fetch
from rbd_imgdriver.importer import formats
from rbd_imgdriver.importer import inspection
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer import program
from rbd_imgdriver.importer import spool
from rbd_imgdriver.importer import stream
from rbd_imgdriver.importer import verify
from rbd_imgdriver import model

# What an image is called until it is whole.  A sweep removes what a crash
# left under such a name.
PARTIAL = '.partial-'

Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class Imported:
    """An import that went well.

    :param size: bytes of the new RBD image
    :param bytes_moved: bytes downloaded or copied within the cluster
    """

    size: int
    bytes_moved: int


@dataclasses.dataclass(frozen=True)
class _Job:
    image: model.Image
    data: model.ImageData
    pool: ceph_pool.Pool
    name: str
    order: int
    limit: int
    size: int | None
    metadata: Mapping[str, str]
    progress: Progress
    verifier: verify.Verifier | None


class Importer:
    """Makes RBD images of image data.  One serves all threads of a backend.

    :param settings: what the operator decided
    """

    def __init__(self, settings: options.Options) -> None:
        self._settings = settings

    def import_image(self, image: model.Image, data: model.ImageData,
                     pool: ceph_pool.Pool, name: str, *, order: int,
                     limit: int, size: int | None = None,
                     metadata: Mapping[str, str] | None = None,
                     progress: Progress | None = None,
                     verifier: verify.Verifier | None = None) -> Imported:
        """Make RBD image ``name`` hold the image's data, checked.

        Nobody sees an image of that name before all of it is there and every
        check has passed.  On any failure nothing is left.

        :param order: log2 of the object size in bytes
        :param limit: bytes of the volume
        :param size: bytes of the RBD image; None: those of the disk inside,
            rounded up to whole GiB
        :param metadata: image metadata to set on it
        :param progress: called with (bytes done, bytes to do)
        :param verifier: checks the image's signature
        :raises rbd_imgdriver.errors.ImageError: when the image cannot be had
            or must not be used
        :raises rbd_imgdriver.ceph.errors.CephError: when Ceph refuses
        """
        job = _Job(image, data, pool, _partial(name), order, limit, size,
                   metadata or {}, progress or _unheard, verifier)
        self._admit(job)
        with _removed_on_error(pool, job.name):
            if image.raw or image.disk_format == 'iso':
                done = self._stream(job)
            else:
                done = self._convert(job)
            if job.name != name:
                pool.rename(job.name, name)
        return done

    def _admit(self, job: _Job) -> None:
        """Refuse at once what needs no look at the data."""
        image = job.image
        if image.disk_format not in formats.KNOWN:
            raise errors.ImageUnsafe(
                image.id, f'its disk format {image.disk_format!r} cannot be '
                'made a volume; known are ' + ', '.join(sorted(formats.KNOWN)))
        if self._settings.conversion_disabled and not image.raw:
            raise errors.ConversionDisabled(
                image.id, f'it is {image.disk_format} and the operator has '
                'disabled image conversion; use a raw image')
        if image.minimal_size is not None:
            _check_fits(job, image.minimal_size)

    def _stream(self, job: _Job) -> Imported:
        """Raw data: one pass, straight into the RBD image."""
        data_size = job.image.size or job.limit
        _check_fits(job, data_size)
        size = _target_size(job, data_size)
        job.pool.create(job.name, size, job.order, job.metadata)
        writer = job.pool.writer(job.name)
        try:
            moved = self._pour(job, writer.write)
        finally:
            blocking.run(writer.close)
        return Imported(size, moved)

    def _convert(self, job: _Job) -> Imported:
        """Other formats: download to a file, then convert from it."""
        settings = self._settings
        with spool.opened(settings.conversion_dir) as file:
            moved = self._pour(job, file.write)
            file.give_to(settings.user)
            source = convert.source(job.image.disk_format,
                                    convert.file_node(file.descriptor))
            size = self._convert_from(job, source, (file.descriptor,))
        return Imported(size, moved)

    def _convert_from(self, job: _Job, source: str,
                      descriptors: tuple[int, ...]) -> int:
        limits = program.Limits(
            self._settings.user, self._settings.memory_limit, 3600,
            self._settings.stall_timeout)
        with convert.access(job.pool.credentials()) as access, \
                _conversion_errors(job.image):
            inherited = (*descriptors, *access.descriptors)
            facts = convert.info(source, limits, inherited, access.secret)
            _check_fits(job, facts.virtual_size)
            size = _target_size(job, facts.virtual_size)
            job.pool.create(job.name, size, job.order, job.metadata)
            into = convert.target(
                'raw', access.node(job.pool.name, job.name))
            convert.convert(
                source, into, limits, inherited, access.secret,
                lambda percent: job.progress(
                    int(facts.virtual_size * percent / 100),
                    facts.virtual_size))
        return size

    def _pour(self, job: _Job, write: Callable[[bytes], None]) -> int:
        """Download, inspect, hash and write in one pass."""
        image = job.image
        digest = verify.Digest(image)
        look = inspection.Inspection(image.id, image.disk_format)
        hands = [write]
        if digest.update is not None:
            hands.append(digest.update)
        if job.verifier is not None:
            hands.append(job.verifier.update)
        batches = fetch.batches(
            fetch.download(image, job.data, self._settings.retries))
        moved = stream.pour(batches, hands, look.feed)
        look.finish()
        digest.check()
        return moved


def _unheard(done: int, total: int) -> None:
    """Nobody wants to know."""


def _partial(name: str) -> str:
    return name if name.startswith(PARTIAL) else PARTIAL + name


def _target_size(job: _Job, data_size: int) -> int:
    if job.size is not None:
        return job.size
    return -(-data_size // model.GIB) * model.GIB


def _check_fits(job: _Job, needed: int) -> None:
    if needed > job.limit:
        raise errors.ImageTooLarge(
            job.image.id, f'its disk has {needed} bytes and the volume only '
            f'{job.limit}; ask for a volume of at least '
            f'{-(-needed // model.GIB)} GiB')


@contextlib.contextmanager
def _removed_on_error(pool: ceph_pool.Pool, name: str) -> Iterator[None]:
    try:
        yield
    except ceph_errors.ImageExists:
        raise  # it is not ours to remove
    except BaseException as error:
        try:
            pool.remove(name)
        except ceph_errors.CephError as second:
            error.add_note(f'left behind: image {name} ({second})')
        raise


@contextlib.contextmanager
def _conversion_errors(image: model.Image) -> Iterator[None]:
    try:
        yield
    except program.Failed as error:
        raise errors.ConversionFailed(image.id, str(error)) from error
