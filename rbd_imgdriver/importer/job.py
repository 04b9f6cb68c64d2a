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
"""One import: what is wanted, and what every way of it shares."""

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses

from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer.check import inspection
from rbd_imgdriver.importer.check import verify
from rbd_imgdriver.importer import fan_out
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer import progress
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.source import fetch
from rbd_imgdriver.importer.source import gunzip
from rbd_imgdriver.importer.source import local
from rbd_imgdriver.importer import spool
from rbd_imgdriver import model


@dataclasses.dataclass(frozen=True)
class Downloaded:
    """A whole download.

    :param disk_format: the format to treat the data as
    :param received: bytes that Glance sent
    :param length: bytes of the data; more, if it came compressed
    """

    disk_format: str
    received: int
    length: int


@dataclasses.dataclass(frozen=True)
class Job:
    """One import.

    :param partial: the RBD image to fill
    :param limit: bytes of the volume
    :param retries: times that a broken download is taken up again
    :param vmdk_types: VMDK subformats that are accepted
    :param encryption: what the volume's data has to be encrypted with
    :param golden: a snapshot that holds the disk of the image, checked
    :param owner: the project whose share of the places it takes
    """

    image: model.Image
    data: model.ImageData
    partial: partials.Partial
    limit: int
    retries: int
    reporter: progress.Reporter
    vmdk_types: tuple[str, ...]
    encryption: luks_header.Encryption | None = None
    golden: clones.SnapshotSpec | None = None
    owner: str | None = None

    @property
    def converts(self) -> bool:
        """Whether qemu-img has to do it, and not only the network."""
        if self.encryption is not None:
            return True
        return (self.golden is None
                and self.image.disk_format not in formats.PLAIN)

    @property
    def compressed(self) -> bool:
        """Whether the image is in a gzip container."""
        return self.image.container_format == 'compressed'

    def download(self, write: Callable[[bytes], object]) -> Downloaded:
        """Download, check and write the image in one pass.

        Hash and signature are of what Glance has; format and size are of
        what is inside, if that is compressed.

        :param write: called with each batch in a native thread
        :raises rbd_imgdriver.errors.ImageError: when it fails a check
        """
        return self._download_proven(self._proof(), write)

    @contextlib.contextmanager
    def downloaded(self, file: spool.Spool) -> Iterator[Downloaded]:
        """Download the image into a file, to be used before it is proven.

        Format, size and signature are checked when the context begins; the
        hash when it ends, for hashing takes longer than downloading.  What
        is made in the context must not be shown to anybody before.

        :raises rbd_imgdriver.errors.ImageError: when it fails a check, also
            in place of what the context raises over such data
        """
        proof = self._proof()
        # The hash of a compressed image is not of what the file holds, and
        # what has to be signed nobody may read before it proves to be.
        if self.compressed or proof.signed:
            yield self._download_proven(proof, file.write)
            return
        with fan_out.following(file, proof.consumers) as followed:
            arrived = self._receive([], followed.write)
            try:
                yield arrived.judged()
            except errors.ImageError as error:
                followed.finish(self.reporter.alive)
                _blame_data(proof, error)
                raise
            followed.finish(self.reporter.alive)
        proof.check()

    def _proof(self) -> verify.Proof:
        return verify.Proof(self.image, self._verifier())

    def _verifier(self) -> model.Verifier | None:
        """What checks the signature that the image has to have.

        :raises rbd_imgdriver.errors.SignatureInvalid: when it is no longer
            the one that it had when the import was asked for
        """
        if isinstance(self.data, local.LocalData):
            return None  # Cinder has checked it
        verifier = self.data.verifier()
        wanted = self.image.signature
        if wanted and (verifier is None or verifier.signature != wanted):
            raise errors.SignatureInvalid(
                self.image.id, 'it was changed while the image was imported')
        return verifier

    def _download_proven(self, proof: verify.Proof,
                         write: Callable[[bytes], object]) -> Downloaded:
        arrived = self._receive(proof.consumers, write)
        proof.check()
        return arrived.judged()

    def _receive(self, consumers: Sequence[Callable[[bytes], object]],
                 write: Callable[[bytes], object]) -> '_Arrived':
        """Download, inspect and write the image in one pass.

        :param consumers: of what Glance sends
        :param write: of what is inside, if that is compressed
        """
        look = self._inspection()
        count = _Count(self.reporter.advance)
        self.reporter.begin('downloading', self.image.size)
        arriving = fetch.batches(
            fetch.download(self.image, self.data, self.retries))
        length = 0
        with contextlib.closing(fan_out.through(
                count.through(arriving), consumers)) as proven:
            with contextlib.closing(fan_out.through(
                    self._unpacked(proven), [write])) as written:
                for batch in written:
                    look.feed(batch)
                    length += len(batch)
                    self._check_fits(look, length)
        return _Arrived(look, count.total, length)

    def inspect(self, chunks: Generator[bytes]) -> str:
        """Judge data that is at hand, reading no more than that takes.

        Ceph keeps checksums of what it holds: where nothing was transmitted
        there is no hash to compare.  A signature is checked all the same.

        :returns: the format to treat the data as
        :raises rbd_imgdriver.errors.ImageError: when it fails a check
        """
        verifier = self._verifier()
        look = self._inspection()
        proof = verify.Proof(self.image, verifier)
        consumers = proof.consumers if verifier is not None else []
        self.reporter.begin('inspecting', self.image.size)
        count = _Count(self.reporter.advance)
        with contextlib.closing(chunks), contextlib.closing(
                fan_out.through(count.through(chunks), consumers)) as passing:
            for chunk in passing:
                look.feed(chunk)
                if look.settled and verifier is None:
                    break
        if verifier is not None:
            proof.check()
        disk_format = look.finish()
        partials.check_fits(self.image.id, look.virtual_size, self.limit)
        return disk_format

    def _inspection(self) -> inspection.Inspection:
        return inspection.Inspection(self.image.id, self.image.disk_format,
                                     self.vmdk_types)

    def _unpacked(self, batches: Iterable[bytes]) -> Iterable[bytes]:
        if not self.compressed:
            return batches
        return fetch.batches(gunzip.unpacked(self.image.id, batches))

    def _check_fits(self, look: inspection.Inspection, length: int) -> None:
        """Do not load for hours what cannot fit."""
        needed = look.virtual_size
        if self.image.disk_format in ('raw', 'iso'):
            needed = length
        partials.check_fits(self.image.id, needed, self.limit)
        if self.compressed:
            self._check_unpacked(length, needed or self.limit)

    def _check_unpacked(self, length: int, disk: int) -> None:
        """Do not unpack a thousand times what was sent, for a small disk.

        What is not compressed has the length that Glance says, and its owner
        a quota there.
        """
        most = formats.with_tables(disk)
        if length > most:
            raise errors.ImageUnsafe(
                self.image.id, f'unpacked it has more than the {most} bytes '
                f'that a disk of {disk} bytes takes; upload it without gzip '
                'if it holds more, such as internal snapshots')


@dataclasses.dataclass(frozen=True)
class _Arrived:
    """A whole download that has not been judged; see :class:`Downloaded`."""

    look: inspection.Inspection
    received: int
    length: int

    def judged(self) -> Downloaded:
        """:raises errors.ImageUnsafe: when its format is not acceptable"""
        return Downloaded(self.look.finish(), self.received, self.length)


def _blame_data(proof: verify.Proof, error: errors.ImageError) -> None:
    """Raise what explains an error better, if the data is not the image."""
    try:
        proof.check()
    except errors.ImageError as reason:
        raise reason from error


class _Count:
    """Counts bytes that pass by."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self.total = 0
        self._report = report

    def through(self, batches: Iterable[bytes]) -> Iterator[bytes]:
        for batch in batches:
            self.total += len(batch)
            self._report(self.total)
            yield batch
