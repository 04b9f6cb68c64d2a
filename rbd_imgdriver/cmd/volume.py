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
from typing import Any

from rbd_imgdriver.chain import intents
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import model

Exit = exits.Exit

VOLUME = (
    output.Column('name', 'Volume'),
    output.Column('size', 'Size', output.size),
    output.Column('used', 'Used', output.size),
    output.Column('strategy', 'Made by'),
    output.Column('declined', 'Declined before'),
    output.Column('bytes_moved', 'Bytes moved', output.size),
    output.Column('depth', 'Depth'),
    output.Column('snapshots', 'Snapshots', ', '.join),
    output.Column('children', 'Depending on it', ', '.join),
    output.Column('flatten', 'Flatten'),
)
PARENTS = (
    output.Column('parent', 'PARENTS, THE NEAREST FIRST'),
    output.Column('size', 'SIZE', output.size),
    output.Column('trashed', 'IN THE TRASH', output.yes),
)


def add_to(nouns: Any, common: argparse.ArgumentParser) -> None:
    """Make the parsers of this noun."""
    noun = nouns.add_parser('volume', help='volumes in the pool')
    verbs = noun.add_subparsers(dest='verb_name', required=True,
                                metavar='VERB')
    explaining = verbs.add_parser(
        'explain', parents=[common],
        help='how a volume was made, and what it depends on',
        description='Say how a volume was made, what its parents are, who '
        'depends on it, and whether it is being flattened.')
    explaining.add_argument('volume', metavar='VOLUME',
                            help="the volume's id or its RBD image's name")
    explaining.set_defaults(verb=explain)


def explain(args: argparse.Namespace, session: sessions.Session) -> Exit:
    """``volume explain``."""
    name = _name(args.volume, session)
    facts = _facts(name, session)
    show = output.Output(args.format)
    show.record(VOLUME, facts)
    if args.format == 'table' and facts['parents']:
        show.say('')
        show.records(PARENTS, facts['parents'])
    return Exit.OK


def _name(wanted: str, session: sessions.Session) -> str:
    """The name of the RBD image that is meant.

    :raises exits.CommandError: when there is none
    """
    template = session.backend.settings.chains.rules.template
    for name in (wanted, template % wanted):
        if session.backend.pool.directory.exists(name):
            return name
    raise exits.CommandError(
        Exit.NOT_FOUND,
        f'pool {session.backend.pool.name} has no volume {wanted}')


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
