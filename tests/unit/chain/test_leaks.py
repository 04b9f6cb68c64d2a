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
"""In what order leaks can be removed."""

from rbd_imgdriver.chain import leaks


def leak(image: str, needed_by=(), safe=False, snapshot='') -> leaks.Leak:
    return leaks.Leak(leaks.DELETED, image, image, snapshot, 0, safe, '',
                      tuple(f'volumes/{one}' for one in needed_by))


def order(*given: leaks.Leak) -> list[tuple[str, bool]]:
    return [(one.name, one.safe)
            for one in leaks.in_order('volumes', list(given))]


def test_children_go_before_their_parents():
    assert order(leak('a', ['b']), leak('b', ['c']), leak('c', safe=True)) \
        == [('c', True), ('b', True), ('a', True)]


def test_what_a_volume_needs_stays():
    assert order(leak('a', ['b', 'volume']), leak('b', safe=True)) \
        == [('b', True), ('a', False)]


def test_what_cinder_knows_stays():
    assert order(leak('a', ['b']), leak('b')) == [('a', False), ('b', False)]


def test_a_snapshot_that_goes_is_not_its_image():
    """The clone of ``a`` stays, although a snapshot of it goes."""
    assert order(leak('a', ['b']), leak('b', safe=True, snapshot='s')) \
        == [('b@s', True), ('a', False)]


def test_children_in_another_pool_count():
    needed = leaks.Leak(leaks.TRASHED, 'a', 'a', '', 0, False, '',
                        ('other/b',))
    assert order(needed, leak('b', safe=True)) == [('b', True), ('a', False)]


def test_a_ring_ends():
    """Ceph makes none; the search must end all the same."""
    assert order(leak('a', ['b']), leak('b', ['a'])) \
        == [('a', False), ('b', False)]
