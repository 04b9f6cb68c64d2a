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
"""``rbd-imgdriver-manage volume explain``: how a volume came to be."""

import argparse
from collections.abc import Iterator
from typing import Any

from rbd_imgdriver.chain import intents
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import errors
from rbd_imgdriver import model

Exit = exits.Exit

_PARENTS = (
    output.Column('parent'),
    output.Column('size', output.size),
    output.Column('trashed', output.yes),
)


class Explain(commands.Showing):
    """Say how a volume was made, and what it depends on.

    Shows its parents, the nearest first, who depends on it, and whether it is
    being flattened.
    """

    columns = (
        output.Column('name'),
        output.Column('size', output.size),
        output.Column('used', output.size),
        output.Column('strategy'),
        output.Column('declined'),
        output.Column('bytes_moved', output.size),
        output.Column('depth'),
        output.Column('snapshots', ', '.join),
        output.Column('children', ', '.join),
        output.Column('flatten'),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The volume."""
        parser.add_argument(
            'volume', metavar='VOLUME',
            help="the volume's id or name, or its RBD image's name; looked "
            'for in every backend unless --backend names one')

    def record(self, args: argparse.Namespace) -> output.Record:
        """What the pool says of the volume."""
        facts = _facts(*_find(args.volume, self.session))
        if facts['parents']:
            self.also(_PARENTS, facts['parents'])
        return facts


def _find(wanted: str,
          session: sessions.Session) -> tuple[str, sessions.Session]:
    """The name of the volume's RBD image, and the backend that has it.

    :raises exits.CommandError: when none has it
    """
    backends = [session.of(name) for name in session.chosen()]
    for meant in _meant(wanted, session):
        for backend in backends:
            found = _in_pool(meant, backend)
            if found:
                return found, backend
    pools = ', '.join(dict.fromkeys(one.backend.pool.name
                                    for one in backends))
    raise exits.CommandError(
        Exit.NOT_FOUND, f'there is no volume {wanted} in the pools of the '
        f'backends: {pools or "there are none"}')


def _in_pool(wanted: str, backend: sessions.Session) -> str | None:
    """The name of the RBD image, if the backend's pool has it."""
    template = backend.backend.settings.chains.rules.template
    for name in (wanted, template % wanted):
        if backend.backend.pool.directory.exists(name):
            return name
    return None


def _meant(wanted: str, session: sessions.Session) -> Iterator[str]:
    """It may be an id already; if not, Cinder may know it by this name."""
    yield wanted
    try:
        ids = session.volumes_called(wanted)
    except errors.ServiceError:
        return  # it is looked for in Ceph only
    if len(ids) > 1:
        raise exits.CommandError(
            Exit.USAGE, f'several volumes are called {wanted}: '
            + ', '.join(sorted(ids)))
    yield from ids


def _facts(name: str, session: sessions.Session) -> dict[str, Any]:
    pool = session.backend.pool
    metadata = pool.headers.metadata(name)
    usage = pool.usage.of(name)
    parents = pool.ancestry.of(name)
    moved = metadata.get(model.BYTES_MOVED_KEY)
    return {
        'name': f'{pool.name}/{name}',
        'size': usage.size,
        'used': usage.used,
        'strategy': metadata.get(model.STRATEGY_KEY),
        'declined': metadata.get(model.DECLINED_KEY),
        'bytes_moved': None if moved is None else int(moved),
        'depth': len(parents),
        'parents': [{'parent': str(one), 'size': one.size,
                     'trashed': one.trashed} for one in parents],
        'snapshots': list(usage.snapshots),
        'children': [child.name for child in usage.children],
        'flatten': _flatten(pool.directory.id(name), metadata),
    }


def _flatten(id_: str, metadata: dict[str, str]) -> str | None:
    """What is under way, or None."""
    if intents.parse(id_, metadata.get(intents.KEY)) is None:
        return None
    return metadata.get(intents.PROGRESS_KEY) or 'waiting'
