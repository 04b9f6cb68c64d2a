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
"""``rbd-imgdriver-manage doctor``: check a deployment."""

import argparse
from collections.abc import Iterator
import dataclasses

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
from rbd_imgdriver.cmd.checks import hosts
from rbd_imgdriver.cmd.checks import options
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import errors
from rbd_imgdriver import model

Exit = exits.Exit
Finding = findings.Finding
Severity = findings.Severity

_TIMEOUT = 10
# Images of Glance that are looked at.
_IMAGES = 25


class Doctor(commands.Listing):
    __doc__ = f"""Check a deployment.

    Checks Ceph, Glance, cinder.conf and this host, and says what to do about
    each finding. Checks all backends that use this driver unless --backend
    names one. Changes nothing; makes probe images, whose names begin with
    {cluster.PROBE}, and removes them.
    """

    columns = (
        output.Column('severity'),
        output.Column('code'),
        output.Column('subject'),
        output.Column('detail'),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """How much of it."""
        parser.add_argument('--all', action='store_true',
                            help='show also what is in order')

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """All findings, the worst first."""
        found = list(_all(self.session))
        least = Severity.OK if args.all else Severity.INFO
        shown = sorted((one for one in found if one.kind.severity >= least),
                       key=lambda one: -one.kind.severity)
        for code in dict.fromkeys(one.code for one in shown):
            kind = findings.KINDS[code]
            if kind.remedy:
                self.say(f'\n{code}: {kind.meaning} {kind.remedy}')
        worst = max((one.kind.severity for one in found), default=Severity.OK)
        self.exit_code = {Severity.ERROR: Exit.ERROR,
                          Severity.WARNING: Exit.WARNING}.get(worst, Exit.OK)
        return [{
            'severity': one.kind.severity.name.lower(), 'code': one.code,
            'subject': one.subject, 'detail': one.detail,
            'meaning': one.kind.meaning, 'remedy': one.kind.remedy,
        } for one in shown]


def _all(session: sessions.Session) -> Iterator[Finding]:
    chosen = session.chosen()
    if not chosen:
        raise exits.CommandError(
            Exit.CONFIG, f'no backend has volume_driver = {sessions.DRIVER}')
    conf = session.conf
    yield from options.coordination(conf.cluster,
                                    conf.coordination.backend_url)
    images: list[model.Image] = []
    try:
        images = session.glance.some(_IMAGES)
        yield Finding('glance', 'Glance', f'{len(images)} images seen')
        yield from glance.rights(session.glance.locations_forbidden,
                                 session.glance.locations_settable,
                                 session.glance.sees_all())
        yield from glance.check(images)
    except errors.ServiceError as error:
        yield Finding('glance-unreachable', 'Glance', str(error))
    yield from hosts.qemu_img()
    limits = {}
    for name in chosen:
        one = session.of(name)
        get = one.configuration
        limits[name] = (get.rbd_ceph_conf, get.rbd_pool, (
            get.image_volume_cache_max_size_gb,
            get.image_volume_cache_max_count))
        yield from _backend(one, images)
    yield from options.shared_caches(limits)


def _backend(session: sessions.Session,
             images: list[model.Image]) -> Iterator[Finding]:
    settings = session.backend.settings
    yield from options.check(session.name, session.values)
    yield from options.unknown(session.name, session.written, session.known)
    yield from hosts.converter(settings.imports.user,
                               settings.imports.memory_limit)
    yield from hosts.keyring(settings.cluster.name,
                             settings.cluster.user or 'admin')
    timeout = settings.cluster.timeout
    spec = dataclasses.replace(
        settings.cluster, timeout=_TIMEOUT if timeout < 0 else timeout)
    pool = ceph_pool.Pool(connection.cluster(spec), settings.pool)
    answer = cluster.reachable(pool)
    yield answer
    largest = None
    if answer.kind.severity is Severity.OK:
        yield from _pool(session, pool, images)
        largest = glance.largest_download(images, pool.fsid())
    yield from hosts.conversion_dir(settings.imports.conversion_dir, largest)
    yield from hosts.lock_path(settings.imports.lock_path)


def _pool(session: sessions.Session, pool: parts.Pool,
          images: list[model.Image]) -> Iterator[Finding]:
    try:
        yield from cluster.probe(pool)
        yield from cluster.caps(pool)
        yield from cluster.glance_clone(
            pool, images, session.backend.settings.volume_pools)
        yield from cluster.settings(pool)
        yield from _leftovers(session, pool)
    except ceph_errors.CephError as error:
        yield Finding('probe-failed', pool.name, str(error))


def _leftovers(session: sessions.Session,
               pool: parts.Pool) -> Iterator[Finding]:
    left = [one.name for one in cache_check.Check(
        cache_store.Store(pool), lambda image_id: True).run()]
    try:
        left += [one.name for one in leaks.Leaks(
            pool, session.backend.settings.chains.rules,
            session.volume_status).find() if one.safe]
    except errors.ServiceError as error:
        yield Finding('database-unreachable', session.name, str(error))
    if left:
        yield Finding('leftovers', pool.name,
                      f'{len(left)}, for example {left[0]}')
