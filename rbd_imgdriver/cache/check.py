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
"""Look for what is wrong with the cache, and put it right.

Volumes are never touched: a damaged entry is retired, which leaves its
clones what they have, and the next create imports the image again.
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model

# What each finding is, for the documentation and for the command's help.
CODES = {
    'no-facts': 'an image has the name of an entry but not its metadata: it '
                'is never touched, and nothing is cached under its name',
    'wrong-name': "the entry's name is not that of the data it records",
    'no-snapshot': 'the snapshot that volumes are cloned from is missing',
    'data-differs': 'the data does not have the digest that Glance recorded '
                    '(with --deep)',
    'unreadable': 'Ceph refuses to open or read the entry',
    'remains': 'a dead importer left an incomplete image',
    'half-renamed': 'an importer died while it published its entry',
    'not-in-glance': 'Glance no longer has the image',
    'unmarked': 'an image has the name of an incomplete one but does not '
                'carry our mark: it is never touched; "rbd rm" removes it',
    'unused': 'a retired entry is kept although no volume needs it',
}

# Those that may harm new volumes.
DAMAGE = frozenset({'wrong-name', 'no-snapshot', 'data-differs',
                    'unreadable'})

# Those that only a person can judge: nothing proves that they are ours.
FOREIGN = frozenset({'no-facts', 'unmarked'})


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something wrong.

    :param name: of the RBD image
    :param code: one of :data:`CODES`
    :param detail: one sentence
    :param repaired: whether it has been put right
    """

    name: str
    code: str
    detail: str
    repaired: bool = False


# Called for each step: what is being read, bytes done, bytes to do.
Reading = Callable[[str, int, int], None]


class Check:
    """Checks the cache of one pool.

    :param in_glance: whether Glance still has the image of that id
    :param reading: compare the data of raw images too, and report it
    """

    def __init__(self, store: cache_store.Store,
                 in_glance: Callable[[str], bool],
                 reading: Reading | None = None) -> None:
        self._store = store
        self._pool = store.pool
        self._in_glance = in_glance
        self._reading = reading

    def run(self, repair: bool = False) -> list[Finding]:
        """All that is wrong, the damage first.

        :param repair: put it right as well
        """
        found = []
        for finding in self._damage():
            mendable = repair and finding.code not in FOREIGN
            found.append(self._retire(finding) if mendable else finding)
        found += self._unmarked()
        swept = sweep.Sweep(self._store, self._in_glance,
                            dry_run=not repair).run()
        return found + _of_sweep(swept, {one.name for one in found}, repair)

    def _damage(self) -> Iterator[Finding]:
        entries = {one.name: one for one in self._store.entries()}
        for image in self._pool.directory.listed(names.GOLDEN):
            try:
                fault = self._fault(image.name, entries.get(image.name))
            except ceph_errors.CephError as error:
                fault = ('unreadable', str(error))
            if fault is not None:
                yield Finding(image.name, *fault)

    def _unmarked(self) -> Iterator[Finding]:
        for image in self._pool.directory.listed(names.PARTIAL):
            if not (temporary.is_marked(image.id, image.metadata)
                    or entry.is_own(image.id, image.metadata)):
                yield Finding(image.name, 'unmarked', CODES['unmarked'])

    def _fault(self, name: str,
               one: entry.Entry | None) -> tuple[str, str] | None:
        if one is None:
            return 'no-facts', 'its metadata does not make it an entry'
        expected = names.golden(_image_of(one))
        if name != expected:
            return 'wrong-name', f'it holds the data of {expected}'
        if names.SNAPSHOT not in self._pool.usage.of(name).snapshots:
            return 'no-snapshot', f'it has no snapshot {names.SNAPSHOT!r}'
        if self._reading is not None and one.data_size is not None:
            return self._compare(one, one.data_size, self._reading)
        return None

    def _compare(self, one: entry.Entry, size: int,
                 reading: Reading) -> tuple[str, str] | None:
        algorithm, _, expected = one.identity.partition(':')
        if algorithm == 'updated_at':
            return None  # Glance knew no digest
        found = self._pool.data.digest(
            one.name, names.SNAPSHOT, algorithm, size,
            lambda done: reading(one.name, done, size))
        if found == expected:
            return None
        children = len(self._pool.usage.of(one.name).children)
        return 'data-differs', (
            f'its {algorithm} is {found}; {children} volumes were cloned '
            'from it and have the same data')

    def _retire(self, finding: Finding) -> Finding:
        try:
            self._store.retire(finding.name)
        except ceph_errors.CephError as error:
            return dataclasses.replace(
                finding, detail=f'{finding.detail}; not repaired: {error}')
        return dataclasses.replace(finding, repaired=True)


def _of_sweep(report: sweep.Report, known: set[str],
              repaired: bool) -> list[Finding]:
    kinds = (('remains', report.removed), ('half-renamed', report.finished),
             ('not-in-glance', report.dropped), ('unused', report.freed))
    return [Finding(name, code, CODES[code], repaired)
            for code, found in kinds for name in found if name not in known]


def _image_of(one: entry.Entry) -> model.Image:
    """As much of the image as its golden image's name depends on."""
    kind, _, value = one.identity.partition(':')
    if kind == 'updated_at':
        return model.Image(one.image_id, updated_at=value)
    return model.Image(one.image_id, hash_algo=kind, hash_value=value)
