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

"""The architecture as a table, and the check that the imports obey it."""

from collections.abc import Iterator
import inspect
import pathlib
import re
import textwrap

import pytest

from rbd_imgdriver.ceph import parts
from tools import imports as scan

PACKAGE = 'rbd_imgdriver'
ROOT = pathlib.Path(__file__).resolve().parents[2] / PACKAGE

# From top to bottom.  A module imports what stands below it, and its own
# siblings within one component; never what stands above or beside it.
LAYERS = (
    ('driver', 'manager', 'cmd'),
    ('driver_chains', 'driver_images', 'driver_manageable',
     'driver_prefetch', 'driver_types'),
    ('openstack', 'opts', 'metrics'),
    ('backend',),
    ('provision',),
    ('strategies',),
    ('cache',),
    ('importer',),
    ('chain',),
    ('ceph',),
    ('trust',),
    ('model', 'locations', 'errors', 'blocking', 'signals', 'undo',
     'metrics_listener'),
    ('printable',),
)

# The same within a component, by its modules and folders.
INSIDE = {
    'cache': (
        ('check', 'encrypted', 'prefetch'),
        ('fill', 'siblings', 'sweep'),
        ('eviction', 'prefetch_plan', 'store'),
        ('entry', 'stripping'),
        ('ciphertext', 'wish', 'verdict'),
        ('names',),
    ),
    'importer': (
        ('importer', 'export'),
        ('pipeline',),
        ('encrypting',),
        ('job',),
        ('partial',),
        ('copying',),
        ('fan_out', 'target'),
        ('source', 'spool'),
        ('qemu', 'temporary', 'progress', 'fair_semaphore', 'host_locks'),
        ('check', 'options'),
    ),
    'chain': (
        ('chains', 'leaks'),
        ('clone', 'move'),
        ('snapshots', 'delete'),
        ('flattener',),
        ('flatten',),
        ('release',),
        ('ownership',),
        ('names', 'intents', 'jobs', 'moving', 'plan'),
    ),
    'ceph': (
        ('pool', 'dry_run'),
        ('dry_clones',),
        ('parts',),
        ('images',),
        ('wire',),
        ('native', 'credentials', 'capacity'),
        ('connection',),
        ('connecting',),
        ('client',),
        ('keyring', 'clone_format'),
        ('errors',),
    ),
}

# What may know the world outside.  All may import what is not named here.
OUTSIDE = {
    'cinder': ('driver', 'manager', 'driver_chains', 'driver_images',
               'driver_manageable', 'driver_prefetch', 'driver_types',
               'openstack', 'opts'),
    'rados': ('ceph',),
    'rbd': ('ceph',),
    'eventlet': ('blocking',),
    'cliff': ('cmd',),
}

# The same for imports inside a function: they cost nothing, and ask for
# nothing, until it is called.
OUTSIDE_LATE = {
    'cinder': ('cmd',),
}


def violations(root: pathlib.Path) -> Iterator[str]:
    """What in the tree under root is not as the tables above say."""
    level = {name: number
             for number, names in enumerate(LAYERS) for name in names}
    found = scan.components(root)
    for component, paths in found.items():
        if component and component not in level:
            yield f'{component}: has no place in LAYERS'
            continue
        for path in paths:
            where = path.relative_to(root)
            for entry in scan.imports(root, path, PACKAGE):
                fault = (_fault(component, entry, level, found)
                         or _fault_inside(component, where, entry))
                if fault:
                    yield f'{where}:{entry.line}: {fault}'


def _fault(component: str, entry: scan.Import, level: dict[str, int],
           found: dict[str, list[pathlib.Path]]) -> str | None:
    top, _, rest = entry.name.partition('.')
    if top != PACKAGE:
        allowed = OUTSIDE.get(top)
        if entry.late and allowed is not None:
            allowed += OUTSIDE_LATE.get(top, ())
        if allowed is not None and component not in allowed:
            return f'{component or PACKAGE} may not import {top}'
        return None
    target = rest.partition('.')[0]
    if target not in found and target not in level:
        return None  # a name that the package itself defines
    if target == component:
        return None
    if component == '':
        return f'the package itself may not import {target}'
    if level.get(target, -1) <= level[component]:
        return f'{component} may not import {target}: it is not below it'
    return None


def _fault_inside(component: str, where: pathlib.Path,
                  entry: scan.Import) -> str | None:
    prefix = f'{PACKAGE}.{component}.'
    if component not in INSIDE or not entry.name.startswith(prefix):
        return None
    level = {name: number for number, names in enumerate(INSIDE[component])
             for name in names}
    own = where.parts[1].removesuffix('.py')
    target = entry.name.removeprefix(prefix).partition('.')[0]
    if own == '__init__':
        return f'{component} itself may not import {target}'
    for name in (own, target):
        if name not in level:
            return f'{component}.{name}: has no place in INSIDE'
    if own != target and level[target] <= level[own]:
        return (f'{component}.{own} may not import {target}: it is not '
                'below it')
    return None


def test_imports_run_downward_only():
    found = list(violations(ROOT))

    assert not found, '\n'.join(found)


def test_every_component_stands_in_the_table_once():
    for layers in (LAYERS, *INSIDE.values()):
        names = [name for names in layers for name in names]
        assert len(names) == len(set(names))
    names = [name for names in LAYERS for name in names]
    assert set(INSIDE) <= set(names)
    for allowed in (*OUTSIDE.values(), *OUTSIDE_LATE.values()):
        assert set(allowed) <= set(names)


@pytest.mark.parametrize(('path', 'source', 'fault'), [
    ('model.py', 'import rbd', 'model may not import rbd'),
    ('chain.py', 'from rados import Rados', 'chain may not import rados'),
    ('provision.py', 'import cinder.exception',
     'provision may not import cinder'),
    ('ceph/pool.py', 'from eventlet import tpool',
     'ceph may not import eventlet'),
    ('ceph/pool.py', 'from oslo_utils import importutils\n'
     'tpool = importutils.try_import("eventlet.tpool")',
     'ceph may not import eventlet'),
    ('ceph/pool.py', 'def f():\n    from rbd_imgdriver import chain',
     'ceph may not import chain'),
    ('ceph/pool.py', 'from ..cache import entries',
     'ceph may not import cache'),
    ('importer/source/fetch.py', 'import rbd_imgdriver.cache.entries',
     'importer may not import cache'),
    ('strategies/base.py', 'import typing\n'
     'if typing.TYPE_CHECKING:\n    from rbd_imgdriver import provision',
     'strategies may not import provision'),
    ('cmd/cache.py', 'from cinder import context',
     'cmd may not import cinder'),
    ('cmd/cache.py', 'def f():\n    import rbd', 'cmd may not import rbd'),
    ('__init__.py', 'from rbd_imgdriver import driver',
     'the package itself may not import driver'),
    ('ceph/images/clones.py', 'from rbd_imgdriver.ceph import pool',
     'ceph.images may not import pool'),
    ('ceph/wire/header.py', 'from rbd_imgdriver.ceph.images import clones',
     'ceph.wire may not import images'),
    ('ceph/errors.py', 'from . import connection',
     'ceph.errors may not import connection'),
    ('ceph/novelty.py', 'from . import errors',
     'ceph.novelty: has no place in INSIDE'),
    ('ceph/__init__.py', 'from rbd_imgdriver.ceph import pool',
     'ceph itself may not import pool'),
    ('novelty.py', '', 'novelty: has no place in LAYERS'),
    ('novelty/part.py', '', 'novelty: has no place in LAYERS'),
])
def test_a_violation_is_found(tmp_path, path, source, fault):
    _write(tmp_path, path, source)

    found = list(violations(tmp_path))

    assert len(found) == 1
    assert fault in found[0]


def test_what_is_allowed_is_not_found(tmp_path):
    _write(tmp_path, '__init__.py', '__version__ = "1"')
    _write(tmp_path, 'errors.py', 'import os')
    _write(tmp_path, 'blocking.py', 'from eventlet import tpool')
    _write(tmp_path, 'ceph/pool.py', '''
        import rados
        import rbd

        from . import images
        from .. import errors
        from rbd_imgdriver import __version__
        from rbd_imgdriver.ceph import errors as ceph_errors
    ''')
    _write(tmp_path, 'driver.py', '''
        from cinder.volume.drivers import rbd
        from rbd_imgdriver.openstack import settings
    ''')
    _write(tmp_path, 'cmd/cache.py', '''
        from rbd_imgdriver import provision

        def glance():
            from cinder.image import glance
    ''')

    assert list(violations(tmp_path)) == []


def _write(root: pathlib.Path, path: str, source: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(source))


def test_no_module_is_longer_than_three_hundred_lines():
    longer = {str(path.relative_to(ROOT)): lines
              for path in ROOT.rglob('*.py')
              if (lines := len(path.read_text().splitlines())) > 300}

    assert not longer


DOCUMENTATION = (ROOT.parent / 'doc/source/contributor/'
                 'architecture.rst').read_text()


def literal(heading: str) -> str:
    """The first literal block below a heading of the documentation."""
    after = DOCUMENTATION.partition(f'{heading}\n{"=" * len(heading)}\n')[2]
    block = after.partition('.. parsed-literal::\n\n')[2]
    return block.partition('\n\n')[0]


@pytest.mark.parametrize('component', INSIDE)
def test_the_documentation_has_the_order_inside(component):
    found, rows = literal('Within a component'), INSIDE[component]
    words = ' '.join(found.split())
    order = ' -> '.join(', '.join(
        name + '/' * (ROOT / component / name).is_dir() for name in names)
        for names in rows)

    assert f'{component}/ {order}' in words


def test_the_documentation_has_every_component():
    found = literal('Architecture')

    for names in LAYERS:
        for name in names:
            assert re.search(rf'\b{name}\b', found), name


def test_the_documentation_has_every_part_of_a_pool():
    found = literal('A pool and its parts')

    for name in inspect.get_annotations(parts.Pool).keys() - {'name'}:
        [where] = re.findall(rf'pool\.{name} +(\S+)', found)
        assert (ROOT / 'ceph' / where).exists()


def test_the_documentation_says_who_knows_cinder():
    rule = DOCUMENTATION.partition('The rules')[2].partition('know Cinder')[0]

    assert set(re.findall(r'``(\w+)``', rule.rpartition('* Only')[2])) == set(
        OUTSIDE['cinder'])
