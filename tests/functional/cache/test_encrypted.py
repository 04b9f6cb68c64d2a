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
"""Encrypted volumes of golden ciphertexts, read as QEMU reads them."""

from collections.abc import Mapping
import dataclasses
import secrets
import time

import pytest
import rbd

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import encrypted
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import siblings
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import luks
from rbd_imgdriver.importer.qemu import luks_header
from tests.functional import encryption
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import image_of

GIB = 2**30
XTS = ('aes-256', 'xts', 'plain64')


class Events:
    """Nobody listens."""

    def cache(self, action: str, image_id: str) -> None:
        """Not of interest here."""


@dataclasses.dataclass
class Keys:
    """A key manager: which volume has which passphrase, and who may ask.

    :ivar asked: the volumes whose key was asked for
    :ivar lost: those whose key nobody gets any more
    """

    passphrases: Mapping[str, str]
    asked: list[str] = dataclasses.field(default_factory=list)
    lost: frozenset[str] = frozenset()

    def passphrase(self, image: str) -> str | None:
        self.asked.append(image)
        if image in self.lost:
            raise siblings.NoSuchKey(image)
        return self.passphrases.get(image)


@pytest.fixture
def keys():
    """A caller that may fetch all keys of the project."""
    return Keys({})


@pytest.fixture
def at(store, tmp_path):
    """What makes encrypted volumes at some time, seconds since the epoch."""
    directory = tmp_path / 'conversion'
    directory.mkdir()
    importer = image_importer.Importer(
        options.Options(str(directory), lock_path=str(tmp_path)))
    filler = fill.Filler(store, importer, eviction.Limits(), 22)
    return lambda now: encrypted.EncryptedClones(store, filler, importer,
                                                 clock=lambda: now)


@pytest.fixture
def clones(at):
    return at(time.time())


@pytest.fixture
def wanted(pool, qcow2, keys):
    """What the next volume is to be; its key is known to the key manager."""
    def of(project: str = 'mine', cipher: tuple[str, str, str] = XTS,
           **facts) -> encrypted.Wanted:
        name = f'volume-{secrets.token_hex(4)}'
        passphrase = secrets.token_hex(32)
        pool.images.create(name, GIB, 22)  # Cinder's empty volume
        known = {**keys.passphrases, name: passphrase}
        keys.passphrases = known
        return encrypted.Wanted(**{
            'image': image_of(qcow2, 'qcow2'), 'data': FileData(qcow2),
            'events': Events(), 'volume': name, 'size': GIB,
            'kind': ciphertext.Kind(project, '', cipher, 22),
            'encryption': luks_header.Encryption(passphrase, *cipher),
            'keys': keys, 'record': lambda moved: {}, 'replaces': True,
            **facts})

    return of


@pytest.fixture
def opened(admin, tmp_path):
    """What QEMU sees in a volume with a passphrase; None if it sees nothing.

    :param length: bytes from the disk's beginning
    """
    def read(name: str, passphrase: str, length: int) -> bytes | None:
        return encryption.opened(admin, tmp_path, name, passphrase, length)

    return read


@pytest.fixture
def golden_of(contents):
    def names() -> list[str]:
        return [one for one in contents()[0]
                if one.startswith('image-cache-')]

    return names


def test_the_second_is_a_clone_of_the_first_ones_data(
        clones, wanted, pool, opened, disk, golden_of, children):
    first, second, third = wanted(), wanted(), wanted()

    made = [clones.make(one) for one in (first, second, third)]

    assert [one.imported for one in made] == [True, False, False]
    assert {one.parent.image for one in made} == set(golden_of())
    assert children(made[0].parent.image) == sorted(
        one.volume for one in (first, second, third))
    data = disk.read_bytes()
    for one in (first, second, third):
        assert opened(one.volume, one.encryption.passphrase,
                      len(data)) == data
        assert pool.headers.size(one.volume) == GIB


def test_no_passphrase_opens_another_volume_or_the_ciphertext(
        clones, wanted, opened):
    first, second = wanted(), wanted()
    golden = clones.make(first).parent.image
    clones.make(second)

    assert opened(first.volume, second.encryption.passphrase, 1) is None
    assert opened(second.volume, first.encryption.passphrase, 1) is None
    assert opened(golden, first.encryption.passphrase, 1) is None


def test_nothing_of_a_key_is_kept_beside_the_header(clones, wanted, pool):
    first = wanted()
    golden = clones.make(first).parent.image

    for name in (golden, first.volume):
        kept = str(pool.headers.metadata(name))
        assert first.encryption.passphrase not in kept


def test_projects_share_nothing(clones, wanted, golden_of):
    mine, theirs = wanted(), wanted(project='theirs')

    made = [clones.make(mine), clones.make(theirs)]

    assert [one.imported for one in made] == [True, True]
    assert len(golden_of()) == 2


@pytest.mark.parametrize('cipher', [
    ('aes-128', 'xts', 'plain64'), ('aes-256', 'cbc', 'essiv:sha256')],
    ids='-'.join)
def test_other_ciphers(clones, wanted, opened, disk, cipher):
    first, second = wanted(cipher=cipher), wanted(cipher=cipher)

    clones.make(first)
    made = clones.make(second)

    assert not made.imported
    assert opened(second.volume, second.encryption.passphrase,
                  4096) == disk.read_bytes()[:4096]


def test_a_key_that_the_request_may_not_have(clones, wanted, keys):
    first, second = wanted(), wanted()
    clones.make(first)
    keys.passphrases = {}

    with pytest.raises(siblings.NotCloned) as refused:
        clones.make(second)

    assert refused.value.code == 'no-key'
    assert keys.asked == [first.volume]


def test_what_cryptsetup_cannot_do_is_said(clones, wanted, keys, golden_of):
    """The same for a passphrase and for a cipher that it does not know."""
    first, second = wanted(), wanted()
    clones.make(first)
    before = golden_of()
    keys.passphrases = {**keys.passphrases, first.volume: 'another'}

    with pytest.raises(siblings.NotCloned, match='passphrase') as refused:
        clones.make(second)

    assert refused.value.code == 'no-header'
    assert golden_of() == before


def test_after_the_last_volume_the_ciphertext_is_of_no_use(
        clones, at, wanted, pool, opened, disk, golden_of):
    first, second = wanted(), wanted()
    golden = clones.make(first).parent.image
    pool.images.remove(first.volume)

    made = at(time.time() + 60).make(second)

    assert made.imported
    assert made.parent.image == golden
    assert golden_of() == [golden]
    assert opened(second.volume, second.encryption.passphrase,
                  4096) == disk.read_bytes()[:4096]


def test_the_sweep_drops_what_nobody_can_open(clones, wanted, pool, store,
                                              golden_of):
    first = wanted()
    clones.make(first)
    later = time.time() + 3600
    kept = sweep.Sweep(store, lambda _: True, clock=lambda: later).run()
    pool.images.remove(first.volume)

    dropped = sweep.Sweep(store, lambda _: True, clock=lambda: later).run()

    assert kept.dropped == ()
    assert len(dropped.dropped) == 1
    assert golden_of() == []


def test_a_volume_that_got_another_master_key_is_no_sibling(
        clones, wanted, admin, keys, opened, disk):
    """Re-imaged in place, say: still a child, with its own passphrase."""
    first, second = wanted(), wanted()
    golden = clones.make(first).parent
    with luks.key(first.encryption) as key:
        header = key.header(1000, confined.Limits('nobody', 2**32, 60, 60))
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, first.volume) as image:
        image.write(header, 0)

    made = clones.make(second)

    assert keys.asked == []
    assert made.imported
    assert opened(second.volume, second.encryption.passphrase,
                  4096) == disk.read_bytes()[:4096]
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, first.volume) as image:  # nothing taken away
        assert image.parent_info()[1] == golden.image


def test_volumes_whose_keys_nobody_has_any_more(
        clones, wanted, keys, opened, disk, children):
    """Given to another project, say, or the key manager has lost them."""
    first, second, third = wanted(), wanted(), wanted()
    clones.make(first)
    keys.lost = frozenset([first.volume])

    made = [clones.make(one) for one in (second, third)]

    assert [one.imported for one in made] == [True, False]
    assert children(made[0].parent.image) == sorted(
        [second.volume, third.volume])
    data = disk.read_bytes()
    for one in (first, second, third):
        assert opened(one.volume, one.encryption.passphrase,
                      len(data)) == data


def test_one_key_that_may_be_had_by_others_keeps_the_ciphertext(
        clones, wanted, keys, golden_of):
    first, second, third = wanted(), wanted(), wanted()
    for one in (first, second):
        clones.make(one)
    before = golden_of()
    keys.lost = frozenset([first.volume])
    keys.passphrases = {}

    with pytest.raises(siblings.NotCloned) as refused:
        clones.make(third)

    assert refused.value.code == 'no-key'
    assert golden_of() == before


def test_a_disk_that_leaves_no_room_for_the_header(clones, wanted, contents):
    one = wanted()
    full = dataclasses.replace(
        one, image=dataclasses.replace(one.image, virtual_size=GIB))
    before = contents()

    with pytest.raises(siblings.NotCloned) as refused:
        clones.make(full)

    assert refused.value.code == 'no-room-for-header'
    assert contents() == before


def test_siblings_that_are_not_made_yet_are_none(clones, at, wanted, pool,
                                                 store):
    """A killed maker leaves a clone without a header."""
    first, second = wanted(), wanted()
    parent = clones.make(first).parent
    pool.images.rename(first.volume, f'.partial-{first.volume}-1234')

    made = at(time.time() + 60).make(second)

    assert made.imported
    assert made.parent == parent
