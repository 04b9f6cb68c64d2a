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
"""Images that are fetched before their first use, on a real cluster."""

import pathlib

import pytest

from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import prefetch
from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from rbd_imgdriver import model

RULES = prefetch_plan.Rules(({'tag': 'golden'},))
DATA = b'\xeb\x63\x90disk' * 100_000


class Bytes:
    """The bytes of an image."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def verifier(self) -> None:
        """It is not signed."""

    def read(self, offset: int = 0):
        yield self._data[offset:]


class Catalogue:
    """A Glance with marked images, and events that nobody hears."""

    def __init__(self, glance) -> None:
        self._glance = glance
        self.marked: dict[str, tuple[prefetch_plan.Offer, bytes]] = {}

    def add(self, created: str, data: bytes = DATA, delivers=None,
            **facts) -> prefetch_plan.Offer:
        id_ = self._glance.add(data)
        answer = self._glance.facts(id_)
        image = model.Image(**{
            'id': id_, 'name': 'golden', 'disk_format': 'raw',
            'container_format': 'bare', 'size': len(data),
            'hash_algo': 'sha512', 'hash_value': answer['os_hash_value'],
            **facts})
        offer = prefetch_plan.Offer(image, created, properties={
            'os_distro': 'ubuntu', 'os_version': '24.04'})
        self.marked[id_] = offer, data if delivers is None else delivers
        return offer

    def offers(self, filters) -> list[prefetch_plan.Offer]:
        assert list(filters) == [{'tag': 'golden'}]
        return [offer for offer, _ in self.marked.values()]

    def data(self, image: model.Image) -> Bytes:
        return Bytes(self.marked[image.id][1])

    def cache(self, action: str, image_id: str) -> None:
        """Of what happens to the cache."""


@pytest.fixture
def catalogue(glance) -> Catalogue:
    return Catalogue(glance)


@pytest.fixture
def make(store, tmp_path: pathlib.Path):
    """A prefetcher of one host."""
    def build(clonable=lambda image: False) -> prefetch.Prefetcher:
        importer = image_importer.Importer(options.Options(str(tmp_path)))
        return prefetch.Prefetcher(
            store, fill.Filler(store, importer, LIMITS, 22), RULES, clonable)

    return build


LIMITS = eviction.Limits()


def held(store) -> dict[str, bool]:
    return {one.image_id: one.held for one in store.entries()}


def test_a_marked_image_is_fetched_and_held(make, catalogue, store):
    new = catalogue.add('2026-05-01')

    report = make().run(catalogue, catalogue)

    assert report.fetched == (new.golden,)
    assert held(store) == {new.image.id: True}
    assert make().run(catalogue, catalogue) == prefetch.Report()


def test_its_successor_takes_its_place(make, catalogue, store):
    old = catalogue.add('2026-05-01')
    make().run(catalogue, catalogue)
    new = catalogue.add('2026-05-02', DATA + b'new')

    first = make().run(catalogue, catalogue)
    second = make().run(catalogue, catalogue)

    assert first.fetched == (new.golden,)
    assert second.released == (old.golden,)
    assert held(store) == {old.image.id: False, new.image.id: True}


def test_a_bad_image_is_not_tried_again_at_once(make, catalogue, contents):
    bad = catalogue.add('2026-05-01', delivers=b'x' + DATA[1:])

    assert make().run(catalogue, catalogue).failed == (bad.golden,)
    assert make().run(catalogue, catalogue) == prefetch.Report()

    ((offer, reason),) = make().plan(catalogue).waiting
    assert offer == bad
    assert reason.startswith('image-damaged: ')
    assert contents() == ([], [])


def test_a_pause_is_one_for_every_host_and_ends(make, catalogue, store):
    new = catalogue.add('2026-05-01')
    make().pause(3600)

    assert make().run(catalogue, catalogue) == prefetch.Report()
    (wanted,) = prefetch.described(make().plan(catalogue), make().paused())
    assert wanted == (new, 'paused')

    make().resume()
    make().resume()
    assert not make().paused()
    assert make().run(catalogue, catalogue).fetched == (new.golden,)


def test_a_pause_can_be_made_longer(make):
    one = make()
    one.pause(3600)
    one.pause(7200)

    assert one.paused()
    one.resume()
    assert not one.paused()


def test_what_glance_can_be_cloned_from_is_left_there(make, catalogue, store):
    new = catalogue.add('2026-05-01')

    assert make(lambda image: True).run(catalogue,
                                        catalogue) == prefetch.Report()
    assert make(lambda image: True).plan(catalogue).waiting == (
        (new, 'clonable'),)
    assert store.entries() == []


def test_the_command_shows_what_is_wanted_and_why_it_is_not_there(
        manage, glance):
    text = manage.conf.read_text()
    manage.conf.write_text(text.replace(
        'rbd_user = cinder\n', 'rbd_user = cinder\n'
        'rbd_imgdriver_prefetch = tag=golden\n'))
    glance.add(DATA, name='theirs', tags=['golden'], visibility='private')
    id_ = glance.add(DATA, name='ours', tags=['golden'])

    def listed() -> dict[str, str]:
        return {one['image_id']: one['reason']
                for one in manage.json('cache', 'list')}

    assert listed() == {id_: prefetch_plan.REASONS['next']}
    assert manage.run('cache', 'pause', '--for', '1h').returncode == 0
    assert listed() == {id_: prefetch_plan.REASONS['paused']}
    assert manage.run('cache', 'resume').returncode == 0
    assert listed() == {id_: prefetch_plan.REASONS['next']}
    manage.conf.write_text(text)
    assert manage.run('cache', 'pause').returncode == 3
