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
"""encrypted-clone: what it asks for, and what it makes of the answers."""

import dataclasses

import pytest

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import encrypted
from rbd_imgdriver.cache import siblings
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import errors
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver import model
from rbd_imgdriver.strategies import encrypted_clone

GOLDEN = clones.SnapshotSpec('volumes', 'image-cache-x-luks', 'image')
RULES = encrypted_clone.Rules(ciphertext.Sharing.PROJECT, 22, 5, cached=True)
TERMS = encrypted_clone.Terms(
    luks_header.Encryption('secret', 'aes-256', 'xts', 'plain64'), 'type-1',
    keys=None, replaces=False)


class Clones:
    """Clones the golden ciphertext of a pool, or fails."""

    def __init__(self, pool):
        self._pool = pool
        self.error = None
        self.wanted = []
        pool.images.create(GOLDEN.image, model.GIB, 22)
        pool.snapshots.create(GOLDEN.image, GOLDEN.snapshot)

    def make(self, wanted):
        self.wanted.append(wanted)
        if self.error:
            raise self.error
        self._pool.clones.clone(clones.CloneSpec(
            GOLDEN, wanted.volume, wanted.size, metadata=wanted.record(7)))
        return encrypted.Made(GOLDEN, imported=True, bytes_moved=7)


@pytest.fixture
def made(pool):
    return Clones(pool)


def strategy(made, terms=TERMS, **rules):
    return encrypted_clone.EncryptedClone(
        made, dataclasses.replace(RULES, **rules), terms)


def test_the_volume_is_a_clone(pool, made, create):
    answer = strategy(made).attempt(create())

    assert answer == model.Created(parent=str(GOLDEN), bytes_moved=7)
    assert pool.headers.metadata('volume-id') == {
        'rbd-imgdriver/strategy': 'encrypted-clone',
        'rbd-imgdriver/declined': '-', 'rbd-imgdriver/bytes_moved': '7'}
    [wanted] = made.wanted
    assert wanted.kind == ciphertext.Kind(
        'mine', '', ('aes-256', 'xts', 'plain64'), 22)


def test_volumes_of_another_type_do_not_share(made, create):
    strategy(made, sharing=ciphertext.Sharing.VOLUME_TYPE).attempt(create())

    assert made.wanted[0].kind.volume_type == 'type-1'


@pytest.mark.parametrize(('rules', 'replicated', 'code'), [
    ({'sharing': ciphertext.Sharing.OFF}, False, 'clones-off'),
    ({'cached': False}, False, 'cache-off'),
    ({'max_depth': 0}, False, 'no-clones'),
    ({}, True, 'mirrored'), ({'max_depth': 0}, True, 'mirrored')])
def test_no_such_volume_may_be_a_clone(pool, made, create, rules, replicated,
                                       code):
    answer = strategy(made, **rules).attempt(create(replicated=replicated))

    assert answer.code == code
    assert made.wanted == []
    assert not pool.directory.exists('volume-id')


@pytest.mark.parametrize(('error', 'code'), [
    (siblings.NotCloned('no-key', 'none may be used'), 'no-key'),
    (ceph_errors.TimedOut('no answer'), 'timed-out')])
def test_the_next_strategy_may_do_better(made, create, error, code):
    made.error = error

    assert strategy(made).attempt(create()).code == code


@pytest.mark.parametrize('error', [
    errors.ImageDamaged('image', 'it is'), errors.NoSpace('image', 'full')])
def test_what_no_strategy_could_do_ends_the_create(made, create, error):
    made.error = error

    with pytest.raises(type(error)):
        strategy(made).attempt(create())
