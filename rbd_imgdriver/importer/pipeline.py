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
"""The ways from an image's bytes to an RBD image."""

from collections.abc import Iterator
import contextlib
import dataclasses
import os

from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer import copying
from rbd_imgdriver.importer import encrypting
from rbd_imgdriver.importer import job as jobs
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer.qemu import arguments
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import convert
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.qemu import memfd
from rbd_imgdriver.importer.source import cluster as cluster_source
from rbd_imgdriver.importer.source import local
from rbd_imgdriver.importer import spool
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model

# CPU seconds to look at an image; a conversion gets more.
_CPU = 60


class Pipeline:
    """Fills RBD images.

    :param settings: what the operator decided
    """

    def __init__(self, settings: options.Options) -> None:
        self._settings = settings
        self._spooler = spool.Spooler(settings.conversion_dir,
                                      settings.lock_path)
        self._limits = confined.Limits(settings.user, settings.memory_limit,
                                      _CPU, settings.stall_timeout)

    def fill(self, job: jobs.Job) -> int:
        """Bring the image's disk into the partial image.

        Bytes that are in the cluster come first, then those that Cinder has
        downloaded already.  Of a signed image Cinder's come first, whose
        signature it has verified.

        :returns: bytes downloaded or copied within the cluster
        :raises rbd_imgdriver.errors.ImageError: when the image cannot be had
            or must not be used
        """
        if (isinstance(job.data, local.LocalData) and job.image.signature
                and not job.compressed and job.golden is None):
            return self._from_local(job, job.data)
        with cluster_source.opened(job.image, job.partial.pool,
                                   job.partial.name + temporary.SOURCE,
                                   self._settings.volume_pools,
                                   job.golden) as source:
            if source is not None:
                return self._from_cluster(job, source)
        if isinstance(job.data, local.LocalData) and not job.compressed:
            return self._from_local(job, job.data)
        if job.image.disk_format in formats.PLAIN and not job.encryption:
            return self._stream(job)
        return self._through_file(job)

    def make_blank(self, partial: partials.Partial,
                   encryption: luks_header.Encryption) -> None:
        """Make the partial image an empty container; see encrypting."""
        encrypting.make_blank(partial, encryption,
                              self._settings.luks_iterations, self._limits)

    def rekeyed(self, header: bytes, old: str,
                encryption: luks_header.Encryption) -> bytes:
        """A header for another passphrase; see luks_header."""
        with memfd.file('old', old.encode()) as one, \
                memfd.file('new', encryption.passphrase.encode()) as other:
            return luks_header.rekeyed(header, one, other,
                                       self._settings.luks_iterations,
                                       self._limits)

    def _from_cluster(self, job: jobs.Job,
                      source: cluster_source.Source) -> int:
        disk_format = 'raw' if source.checked else job.inspect(
            source.chunks())
        if disk_format == 'raw' and not job.encryption:
            job.partial.fit(source.size)
            with job.partial.writing() as writer:
                return copying.copy(source, writer, job.reporter)
        with convert.cluster(source.pool) as cluster:
            size = self._convert(job, disk_format, cluster.node(
                source.pool.name, source.name), cluster, source.size)
        # What is read of an image that is converted is its file, and of that
        # no more than the disk inside.
        return size if source.checked else min(job.image.size or size, size)

    def _from_local(self, job: jobs.Job, data: local.LocalData) -> int:
        if job.image.disk_format in formats.PLAIN and not job.encryption:
            return self._stream(job)
        disk_format = job.inspect(data.chunks())
        with data.shared(self._settings.user) as descriptor, \
                convert.cluster(job.partial.pool) as cluster:
            self._convert(job, disk_format, arguments.local(descriptor),
                          cluster, os.fstat(descriptor).st_size)
        return job.image.size or 0

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
                                job.reporter.alive) as file, \
                job.downloaded(file) as done, \
                file.shared(self._settings.user) as descriptor, \
                convert.cluster(job.partial.pool) as cluster:
            self._convert(job, done.disk_format, arguments.local(descriptor),
                          cluster, done.length)
        return done.received

    def _convert(self, job: jobs.Job, disk_format: str, node: arguments.Node,
                 cluster: convert.Cluster, held: int) -> int:
        """Convert from where the image's file is.

        :param held: bytes of the file
        :returns: bytes of the disk inside
        """
        source = arguments.Source(disk_format, node)
        into = cluster.node(job.partial.pool.name, job.partial.name)
        with _failures(job.image):
            size = self._checked_size(job, source)
            if job.encryption:
                cpu = convert.cpu_seconds(held, encrypted=job.limit)
                encrypting.encrypt(
                    job, job.encryption, source, size, into,
                    self._settings.luks_iterations,
                    dataclasses.replace(self._limits, cpu=cpu))
                return size
            job.partial.fit(size)
            job.reporter.begin('converting', size)
            limits = dataclasses.replace(
                self._limits, cpu=convert.cpu_seconds(held))
            convert.convert(source, arguments.Target('raw', into), size,
                            limits, job.reporter.advance, zeroed=True)
        return size

    def _checked_size(self, job: jobs.Job, source: arguments.Source) -> int:
        """The bytes of the disk, after qemu's own look at the image."""
        facts = convert.info(source, self._limits, job.reporter.alive)
        objection = arguments.objection(facts)
        if objection:
            raise errors.ImageUnsafe(job.image.id, objection)
        if not facts.virtual_size:
            partials.refuse_empty(job.image.id)
        return facts.virtual_size


@contextlib.contextmanager
def _failures(image: model.Image) -> Iterator[None]:
    try:
        yield
    except confined.Failed as error:
        raise errors.ConversionFailed(image.id, str(error)) from error
