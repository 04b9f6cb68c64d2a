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
"""What ``doctor`` looks at in one backend, with bounds of time."""

from collections.abc import Iterator
import dataclasses
import functools
import pathlib
import time

from rbd_imgdriver.cache import check as cache_check
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.chain import leaks
from rbd_imgdriver.cmd.checks import cluster
from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd.checks import glance
from rbd_imgdriver.cmd.checks import health
from rbd_imgdriver.cmd.checks import hosts
from rbd_imgdriver.cmd.checks import options
from rbd_imgdriver.cmd.checks import parallel
from rbd_imgdriver.cmd.checks import pools
from rbd_imgdriver.cmd.checks import services
from rbd_imgdriver.cmd.checks import together
from rbd_imgdriver.cmd import encrypted_image
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import errors
from rbd_imgdriver.importer.source import cluster as cluster_source
from rbd_imgdriver import model
from rbd_imgdriver.strategies import encrypted_clone

Finding = findings.Finding
Severity = findings.Severity

# The share of all checks' time that an operation of Ceph may take: the
# monitors are waited for, then the OSDs.
_SHARE = 0.4
# The share after which a check of Ceph no longer waits for what Glance or the
# database would have answered, so that it ends in time without.
_PATIENCE = 0.7
# Images of Glance that are looked at.
_IMAGES = 25

# A volume of a type that is not replicated.
_ORDINARY = model.Target('', '', 0)

# After these nothing else of a pool can be looked at, or be tried.
_UNREADABLE = {'pool-missing', 'pool-forbidden', 'osds-unreachable',
               'probe-failed'}
_UNWRITABLE = {'pool-full', 'data-pool-missing'}


class Examination:
    """The checks of some backends, and what one learns for another.

    :param seconds: that all of them may take
    :param backends: sessions of those with valid options
    """

    def __init__(self, seconds: float, session: sessions.Session,
                 backends: list[sessions.Session]) -> None:
        self._seconds = seconds
        self._ends = time.monotonic() + seconds * _PATIENCE
        self._session = session
        # Before there are threads: Cinder's configuration is read once.
        self._settings = {one.name: one.backend.settings for one in backends}
        self._backends = backends
        self._images = parallel.Answer()
        self._database = parallel.Answer()
        self.peers = {one.name: peer(one) for one in backends}
        self._intree = {
            name: sessions.section(session.conf, name)
            for name in session.backends(sessions.INTREE)}

    def tasks(self) -> Iterator[parallel.Task]:
        """All that is to be checked at once."""
        conf = self._session.conf
        yield parallel.Task('Glance', self._glance, 'glance-unreachable')
        yield parallel.Task('Cinder', self._ask_database,
                            'database-unreachable')
        url = conf.coordination.backend_url
        yield parallel.Task('coordination',
                            lambda: services.coordination(url),
                            'coordination-unreachable')
        yield parallel.Task('qemu-img', hosts.qemu_img)
        yield parallel.Task('cryptsetup', hosts.cryptsetup)
        for one in self._backends:
            yield parallel.Task(one.name,
                                functools.partial(self._host, one))
            bus = one.configuration.rbd_imgdriver_prefetch_transport_url
            if bus:
                yield parallel.Task(
                    one.name, functools.partial(services.notifications,
                                                one.name, bus),
                    'notifications-unreachable')
            yield parallel.Task(self._settings[one.name].pool,
                                functools.partial(self._ceph, one))
            yield parallel.Task(self._settings[one.name].pool,
                                functools.partial(self._manager, one),
                                'manager-down')
        for name in self._intree:
            yield parallel.Task(name, functools.partial(self._other, name))

    def _glance(self) -> Iterator[Finding]:
        """Ask Glance; a caller that waits for images gets none if it fails."""
        glance_ = self._session.glance
        try:
            images = glance_.some(_IMAGES)
            self._images.give(images)
            yield Finding('glance', 'Glance', f'{len(images)} images seen')
            yield from glance.rights(glance_.locations_forbidden,
                                     glance_.locations_settable,
                                     glance_.sees_all())
            yield from glance.check(images)
        except errors.ServiceError as error:
            yield Finding('glance-unreachable', 'Glance', str(error))
        finally:
            self._images.give(None)

    def _ask_database(self) -> Iterator[Finding]:
        for one in services.database(self._session.volume_status):
            self._database.give(one.kind.severity is Severity.OK)
            yield one

    def _host(self, session: sessions.Session) -> Iterator[Finding]:
        """What needs no cluster."""
        settings = self._settings[session.name]
        get = session.configuration
        yield from options.check(session.name, session.values)
        yield from options.unknown(session.name,
                                   session.written(session.name),
                                   session.known)
        yield from options.encrypted(
            session.name, encrypted_clone.objection(
                _ORDINARY, settings.encryption_rules),
            session.conf.volume_manager == encrypted_image.MANAGER)
        yield from services.metrics(
            session.name, get.rbd_imgdriver_metrics_address,
            get.rbd_imgdriver_metrics_port)
        yield from hosts.keyring(settings.cluster.name,
                                 settings.cluster.user or 'admin')
        yield from hosts.lock_path(settings.imports.lock_path)
        yield from hosts.conversion_dir(settings.imports.conversion_dir)
        yield from hosts.converter(settings.imports.user,
                                   settings.imports.memory_limit)

    def _ceph(self, session: sessions.Session) -> Iterator[Finding]:
        settings = self._settings[session.name]
        pool = self._pool(settings.cluster, settings.pool)
        answer = cluster.reachable(pool)
        yield answer
        if answer.kind.severity is not Severity.OK:
            return
        try:
            self._learn(session.name, pool)
            yield from self._of_pool(session, pool)
        except ceph_errors.CephError as error:
            yield cluster.failed(pool.name, error)

    def _manager(self, session: sessions.Session) -> Iterator[Finding]:
        settings = self._settings[session.name]
        yield from cluster.manager(self._pool(settings.cluster,
                                              settings.pool))

    def _of_pool(self, session: sessions.Session,
                 pool: parts.Pool) -> Iterator[Finding]:
        known = cluster.asked(pool)
        yield from health.check(pool.name, known.health)
        found = [*cluster.readable(pool)]
        if not found:
            found += pools.check(pool.name, known.osd_dump, known.df)
            found += cluster.data_pool(pool, known)
        yield from found
        codes = {one.code for one in found}
        if codes & _UNREADABLE:
            return
        if not codes & _UNWRITABLE:
            yield from cluster.probe(pool)
            yield from self._glance_clone(session, pool, known)
        yield from cluster.settings(pool)
        yield from cluster.caps(pool)
        yield from self._leftovers(session, pool)

    def _glance_clone(self, session: sessions.Session, pool: parts.Pool,
                      known: cluster.Answers) -> Iterator[Finding]:
        settings = self._settings[session.name]
        images = self._images.wait(self._ends)
        if not isinstance(images, list):
            return  # Glance's own check says why
        yield from cluster.glance_clone(pool, images, settings.volume_pools,
                                        known)
        yield from hosts.conversion_space(
            settings.imports.conversion_dir,
            glance.largest_download(images, lambda image: any(
                cluster_source.snapshots(image, pool,
                                         settings.volume_pools))))

    def _leftovers(self, session: sessions.Session,
                   pool: parts.Pool) -> Iterator[Finding]:
        left = [one.name for one in cache_check.Check(
            cache_store.Store(pool), lambda image_id: True).run()]
        if self._database.wait(self._ends):
            left += [one.name for one in leaks.Leaks(
                pool, self._settings[session.name].chains.rules,
                session.volume_status).find() if one.safe]
        if left:
            yield Finding('leftovers', pool.name,
                          f'{len(left)}, for example {left[0]}')

    def _other(self, name: str) -> Iterator[Finding]:
        """Learn which cluster a backend of Cinder's own driver has."""
        get = self._intree[name]
        pool = self._pool(sessions.cluster_of(get), get.rbd_pool)
        try:
            fsid = pool.fsid()
        except ceph_errors.CephError:
            fsid = _path(get.rbd_ceph_conf)
        self.peers[name] = together.Peer(name, fsid, get.rbd_pool, ours=False)
        yield from ()

    def _learn(self, name: str, pool: parts.Pool) -> None:
        self.peers[name] = dataclasses.replace(self.peers[name],
                                               cluster=pool.fsid())

    def _pool(self, spec: connection.ClusterSpec,
              name: str) -> ceph_pool.Pool:
        """A pool on a connection that gives up early."""
        most = max(1, int(self._seconds * _SHARE))
        limit = min(spec.timeout, most) if spec.timeout > 0 else most
        return ceph_pool.Pool(connection.cluster(
            dataclasses.replace(spec, timeout=limit)), name)


def peer(session: sessions.Session) -> together.Peer:
    """A backend, as far as cinder.conf describes it."""
    get = session.configuration
    port = get.rbd_imgdriver_metrics_port
    return together.Peer(
        session.name, _path(get.rbd_ceph_conf), get.rbd_pool,
        limits=(get.image_volume_cache_max_size_gb,
                get.image_volume_cache_max_count),
        depth=get.rbd_max_clone_depth,
        metrics=(get.rbd_imgdriver_metrics_address, port) if port else None)


def _path(conf: str | None) -> str:
    """One spelling of a path."""
    return str(pathlib.Path(conf).resolve()) if conf else ''
