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
"""Signed images: no clone of data whose signature nobody has verified."""

from cinder import exception
import pytest

from tests.functional import host
from tests.functional import signing


@pytest.fixture(params=['raw', 'qcow2'])
def path(request, disk, qcow2):
    return disk if request.param == 'raw' else qcow2


@pytest.fixture
def signed(path):
    """A signed image: what Cinder passes to the driver, and its service."""
    properties = signing.properties(path.read_bytes())
    return (host.image_meta(path, path.suffix[1:], properties=properties),
            host.ImageService(path, properties=properties))


@pytest.fixture
def unsigned(signed):
    """The same image before it was signed."""
    meta, _ = signed
    return {**meta, 'properties': {}}


@pytest.mark.parametrize('path', ['raw'], indirect=True)
def test_glances_snapshot_is_read_once_and_then_the_cache_is_cloned(
        caching, create, made, signed, glance_image, disk):
    meta, service = signed
    url = glance_image(meta['id'])
    with signing.verifying():
        first, second = (made(create(caching, meta, url, service=service)[0])
                         for _ in range(2))

    assert (first.strategy, second.strategy) == ('import', 'cached-clone')
    assert 'rbd-clone: signature-unverified ' in second.declined
    assert first.data == second.data == disk.read_bytes()
    assert service.downloads == 0


def test_the_import_is_recorded_and_serves_the_next(caching, create, made,
                                                    signed, disk):
    meta, service = signed
    with signing.verifying():
        first, second = (made(create(caching, meta, service=service)[0])
                         for _ in range(2))

    assert (first.strategy, second.strategy) == ('import', 'cached-clone')
    assert first.data == second.data == disk.read_bytes()
    assert service.downloads == 1


@pytest.mark.parametrize('before', ['unsigned', 'not asked for'])
def test_an_entry_that_was_not_verified_is_imported_again(
        caching, create, made, signed, unsigned, disk, before):
    meta, service = signed
    with signing.verifying('disabled'):
        old, _, _ = create(caching,
                           unsigned if before == 'unsigned' else meta,
                           service=service)
    with signing.verifying():
        new, later = (made(create(caching, meta, service=service)[0])
                      for _ in range(2))

    assert new.strategy == 'import'
    assert 'cached-clone: signature-unverified ' in new.declined
    assert later.strategy == 'cached-clone'
    assert made(old).data == new.data == later.data == disk.read_bytes()


def test_another_signature_has_to_be_verified_anew(caching, create, made,
                                                   signed):
    meta, service = signed
    with signing.verifying():
        create(caching, meta, service=service)
        service.properties = meta['properties'] = signing.properties(
            service.path.read_bytes())

        again = made(create(caching, meta, service=service)[0])

    assert again.strategy == 'import'


def entries(driver):
    return driver._backend.store.entries()


def test_a_signature_of_other_data(caching, create, signed, messages):
    meta, service = signed
    with signing.verifying('disabled'):
        create(caching, meta, service=service)
    service.properties = meta['properties'] = signing.properties(b'other')

    with signing.verifying(), pytest.raises(
            exception.ImageSignatureVerificationException):
        create(caching, meta, service=service)

    assert [one.signature for one in entries(caching)] == ['']


def test_a_signature_that_is_taken_away_meanwhile(caching, create, signed,
                                                  messages):
    meta, service = signed
    service.properties = {}

    with signing.verifying(), pytest.raises(
            exception.ImageSignatureVerificationException,
            match='was changed'):
        create(caching, meta, service=service)

    assert entries(caching) == []


def test_nobody_asks_for_signatures(caching, create, made, signed, disk):
    meta, service = signed
    meta['properties']['img_signature'] = 'nonsense'
    with signing.verifying('disabled'):
        create(caching, meta, service=service)
        later = made(create(caching, meta, service=service)[0])

    assert later.strategy == 'cached-clone'
    assert later.data == disk.read_bytes()


def test_without_the_cache_every_create_verifies(driver, create, made, signed,
                                                 disk):
    meta, service = signed
    with signing.verifying():
        for count in (1, 2):
            volume, _, _ = create(driver, meta, service=service)
            assert made(volume).strategy == 'import'
            assert made(volume).data == disk.read_bytes()
            assert service.downloads == count
