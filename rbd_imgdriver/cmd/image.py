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
"""``rbd-imgdriver-manage image explain``: what a create would do, and why."""

import argparse
from collections.abc import Iterator
from typing import Any

from rbd_imgdriver import backend as backends
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import dry_run
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.cmd import advice
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import encrypted_image
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as importers
from rbd_imgdriver.importer.source import cluster
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import builder
from rbd_imgdriver.strategies import rbd_clone

Exit = exits.Exit

_STRATEGIES = (
    output.Column('strategy'),
    output.Column('verdict'),
    output.Column('code'),
    output.Column('reason'),
)

USED, POSSIBLE = encrypted_image.USED, encrypted_image.POSSIBLE
DECLINES, FAILS = encrypted_image.DECLINES, encrypted_image.FAILS


class Explain(commands.Showing):
    """Say what a create from an image would do, and why.

    For each strategy: whether it would serve a create from this image on this
    backend, why not, what it would cost, and what makes it faster. Nothing is
    made.
    """

    columns = (
        output.Column('id'),
        output.Column('name'),
        output.Column('format'),
        output.Column('size', output.size),
        output.Column('virtual_size', output.size),
        output.Column('owner'),
        output.Column('identity'),
        output.Column('locations', ', '.join),
        output.Column('backend'),
        output.Column('pool'),
        output.Column('fsid'),
        output.Column('volume_size', output.gib),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image, and the volume that is thought of."""
        parser.add_argument('image', metavar='IMAGE',
                            help="the image's id or name in Glance")
        parser.add_argument(
            '--size', type=int, metavar='GIB',
            help='size of the volume (default: the least for this image)')
        parser.add_argument(
            '--project', metavar='ID',
            help="project of the volume (default: the image's owner)")
        parser.add_argument(
            '--type', metavar='NAME',
            help='type of the volume (default: one without encryption)')

    def record(self, args: argparse.Namespace) -> output.Record:
        """What each strategy would say."""
        session = self.session
        image = session.glance.image(args.image)
        size = (args.size * model.GIB if args.size
                else model.whole_gib(image.minimal_size or image.size or 1))
        target = model.Target('none', 'volume-none', size,
                              args.project or image.owner)
        encrypted = session.encrypted_type(args.type) if args.type else None
        if encrypted is None:
            verdicts = list(_verdicts(session.backend, model.Request(
                image, target, _Unread(), session.volumes, _Nobody())))
        else:
            verdicts = list(encrypted_image.verdicts(
                session.backend, image, target, encrypted.id,
                encrypted.cipher))
            self.say(encrypted_image.downloads(session.conf.volume_manager))
        self.also(_STRATEGIES, verdicts)
        for sentence in _advice(verdicts):
            self.say(sentence)
        if not any(one['verdict'] == USED for one in verdicts):
            self.exit_code = Exit.ERROR
        return _facts(image, session, target) | {'strategies': verdicts}


def _facts(image: model.Image, session: sessions.Session,
           target: model.Target) -> dict[str, Any]:
    return {
        'id': image.id, 'name': image.name,
        'format': f'{image.disk_format}, {image.container_format}',
        'size': image.size, 'virtual_size': image.virtual_size,
        'owner': image.owner, 'identity': names.identity(image),
        'locations': list(image.locations), 'backend': session.name,
        'pool': session.backend.pool.name,
        'fsid': session.backend.pool.fsid(), 'volume_size': target.size,
    }


def _verdicts(backend: backends.Backend,
              request: model.Request) -> Iterator[dict[str, Any]]:
    """What each strategy that would be asked would say, in order."""
    importer = _NoImporter(backend)
    strategies = _rehearsed(backend, importer)
    served = False
    for one in backend.cascade(request.image):
        verdict = {'strategy': one.name,
                   **_verdict(strategies[one.name], request, importer)}
        if verdict['verdict'] == USED:
            verdict['verdict'] = POSSIBLE if served else USED
            served = True
        yield verdict
        if verdict['verdict'] == FAILS and not served:
            return  # the create ends here


def _verdict(strategy: base.Strategy, request: model.Request,
             importer: '_NoImporter') -> dict[str, Any]:
    try:
        answer = strategy.attempt(request)
    except errors.ImageError as error:
        return {'verdict': FAILS, 'code': error.code, 'reason': error.reason}
    if isinstance(answer, model.Declined):
        return {'verdict': DECLINES, 'code': answer.code,
                'reason': answer.reason}
    if answer.parent:
        return {'verdict': USED, 'parent': answer.parent,
                'reason': f'one clone of {answer.parent}, no data moved'}
    return {'verdict': USED, 'reason': 'a full copy within the cluster',
            **importer.said()}


def _rehearsed(backend: backends.Backend,
               importer: '_NoImporter') -> dict[str, base.Strategy]:
    """The strategies with a pool where nothing is done."""
    wanted = backend.settings
    pool = dry_run.DryRun(backend.pool)
    return builder.build(wanted.rules, builder.Tools(
        pool, _NoCloner(), cache_store.Store(pool) if wanted.cache else None,
        importer, filler=None))


class _NoCloner:
    """Stands in for what prepares clones and limits their depth."""

    def snapshot(self, pool: parts.Pool, image: str,
                 snapshot: str) -> None:
        """Make one for show."""
        pool.snapshots.ensure(image, snapshot)

    def limit_depth(self, image: str) -> None:
        """Flatten nothing."""


class _NoImporter:
    """Says what an import would do."""

    def __init__(self, backend: backends.Backend) -> None:
        self._backend = backend
        self._said: dict[str, Any] = {}

    def import_image(self, image: model.Image, data: model.ImageData,
                     target: targets.Target, *,
                     publish: importers.Publish | None = None,
                     ) -> importers.Imported:
        """See :meth:`rbd_imgdriver.importer.importer.Importer.import_image`.

        :raises rbd_imgdriver.errors.ImageError: when it would be refused
        """
        self._backend.importer.admit(image, target.limit)
        source = _source_in_cluster(self._backend, image)
        if source:
            cost = f'reads {source} within the cluster, no download'
        else:
            cost = f'downloads {output.size(image.size)} from Glance'
        if not image.raw:
            cost += f', converts {rbd_clone.describe_format(image)}'
        self._said = {
            'source': source or 'glance', 'bytes_moved': image.size,
            'reason': f'{cost}; {_into(self._backend, image, target.limit)}'}
        return importers.Imported(target.name, target.limit,
                                  image.size or 0)

    def said(self) -> dict[str, Any]:
        """What was asked since the last time."""
        said, self._said = self._said, {}
        return said


def _source_in_cluster(backend: backends.Backend,
                       image: model.Image) -> str | None:
    """Glance's snapshot, if the importer would read that."""
    look = dry_run.DryRun(backend.pool)
    for snapshot in cluster.snapshots(
            image, backend.pool, backend.settings.volume_pools):
        try:
            look.clones.clone(clones.CloneSpec(snapshot, 'none'))
        except ceph_errors.CephError:
            continue  # as the importer: Glance can still deliver it
        return str(snapshot)
    return None


def _into(backend: backends.Backend, image: model.Image, limit: int) -> str:
    """Where the data would go."""
    limits = backend.settings.cache
    if limits is None:
        return 'straight into the volume, the cache is off'
    incoming = model.whole_gib(image.minimal_size or limit)
    plan = eviction.plan(backend.store.entries(), incoming, limits)
    if not plan.fits:
        return 'straight into the volume, it does not fit into the cache'
    if plan.evict:
        evicted = ', '.join(one.name for one in plan.evict)
        return f'into the cache, which evicts {evicted}; then one clone'
    return 'into the cache; then one clone'


def _advice(verdicts: list[dict[str, Any]]) -> Iterator[str]:
    """How to get a faster path than the one that would be used."""
    for one in verdicts:
        if one['verdict'] == USED:
            return
        known = {**advice.FAILED, **advice.DECLINED}.get(one.get('code', ''))
        if known is not None:
            yield f'\n{one["strategy"]}: {known.meaning} {known.remedy}'


class _Unread:
    """The bytes of an image that nobody reads."""

    def verifier(self) -> None:
        """See :meth:`rbd_imgdriver.model.ImageData.verifier`."""
        raise NotImplementedError

    def read(self, offset: int = 0) -> Iterator[bytes]:
        """See :meth:`rbd_imgdriver.model.ImageData.read`."""
        raise NotImplementedError


class _Nobody:
    """Nobody is notified of what was only asked."""

    def cache(self, action: str, image_id: str) -> None:
        """See :meth:`rbd_imgdriver.model.Events.cache`."""
