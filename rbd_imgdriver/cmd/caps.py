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
"""``caps``: what a backend's cephx user lacks."""

import argparse
from collections.abc import Iterator
import pathlib
import sys

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.cmd import capabilities
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions

Exit = exits.Exit

# Seconds that a cluster and its monitors are waited for.
_TIMEOUT = 10
# The default of rbd_store_pool (glance_store/_drivers/rbd.py).
_IMAGES = 'images'


class Caps(commands.Listing):
    """Say what the backends' Ceph users lack.

    Compares what the Ceph users of the backends may do with what the driver
    needs, and prints the command that adds what is missing to what they have.
    Changes nothing. Checks all backends that use this driver unless --backend
    names one.
    """

    columns = (
        output.Column('entity'),
        output.Column('daemon'),
        output.Column('present'),
        output.Column('missing'),
    )
    # The administrator's key is root's to read; nothing is written here.
    stay_root = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Where the capabilities are read, and the pools."""
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument(
            'file', nargs='?', metavar='FILE',
            help='what "ceph auth get client.<user>" has printed; - for '
            'stdin')
        source.add_argument(
            '--admin', nargs='?', const='admin', metavar='USER',
            help='ask the cluster, with the key of this user (default: '
            'admin)')
        # Not asked of Glance: what a location says is a claim, and one that
        # gives rights.
        parser.add_argument(
            '--images', action='append', metavar='POOL',
            help=f"Glance's pool; may be given again (default: {_IMAGES})")
        parser.add_argument(
            '--data', action='append', metavar='POOL', default=[],
            help="pool of the images' data, if ceph.conf has "
            'rbd_default_data_pool; may be given again (with --admin it is '
            'found)')

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """What each user has and lacks."""
        users: dict[str, list[sessions.Session]] = {}
        for one in map(self.session.of, self.session.chosen()):
            users.setdefault(f'client.{one.cluster.user or "admin"}',
                             []).append(one)
        records: list[output.Record] = []
        lines: list[str] = []
        for entity, backends in users.items():
            present = _present(args, entity, backends[0])
            needs = capabilities.Needs(
                {one.configuration.rbd_pool for one in backends}
                | set(args.data) | set(_data_pools(args, backends)),
                args.images or [_IMAGES])
            lacking = capabilities.missing(present, needs)
            merged = capabilities.merged(present, needs)
            records += [{'entity': entity, 'daemon': daemon,
                         'present': present.get(daemon, ''),
                         'missing': ', '.join(lacking.get(daemon, ())),
                         'merged': text} for daemon, text in merged.items()]
            if lacking:
                lines += ['', *capabilities.command(entity, merged)]
        for line in lines or ['', 'Nothing is missing.']:
            self.say(line)
        return records


def _present(args: argparse.Namespace, entity: str,
             session: sessions.Session) -> dict[str, str]:
    """What a user may do now."""
    try:
        found = capabilities.parse(_text(args, entity, session))
    except capabilities.Unreadable as error:
        raise exits.CommandError(Exit.USAGE, str(error)) from error
    if entity not in found:
        raise exits.CommandError(
            Exit.NOT_FOUND, f'there is no {entity}, the rbd_user of '
            f'[{session.name}], but only {", ".join(sorted(found))}')
    return found[entity]


def _text(args: argparse.Namespace, entity: str,
          session: sessions.Session) -> str:
    if args.admin:
        return _pool(args, session).mon_command('auth get', entity=entity)
    if args.file == '-':
        return sys.stdin.read()
    try:
        return pathlib.Path(args.file).read_text()
    except (OSError, UnicodeError) as error:
        raise exits.CommandError(Exit.USAGE, str(error)) from error


def _pool(args: argparse.Namespace,
          session: sessions.Session) -> ceph_pool.Pool:
    """The backend's pool, as the administrator."""
    spec = connection.ClusterSpec(
        session.cluster.name, session.cluster.conf, args.admin, _TIMEOUT)
    return ceph_pool.Pool(connection.cluster(spec),
                          session.configuration.rbd_pool)


def _data_pools(args: argparse.Namespace,
                backends: list[sessions.Session]) -> Iterator[str]:
    """Where images of the backends keep their data, if Ceph can be asked."""
    for one in backends if args.admin else ():
        try:
            name = _pool(args, one).data.pool()
        except ceph_errors.PoolNotFound:
            continue  # that is not a question of capabilities
        if name:
            yield name
