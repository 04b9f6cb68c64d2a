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
"""What a create of an encrypted volume would do: nothing is made or opened."""

from collections.abc import Iterator
from typing import Any

from rbd_imgdriver import backend as backends
from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import encrypted
from rbd_imgdriver.cache import siblings
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.cmd import output
from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver.strategies import encrypted_clone

USED = 'would be used'
POSSIBLE = 'possible'
DECLINES = 'declines'
FAILS = 'fails'

CLONE = encrypted_clone.EncryptedClone.name

MANAGER = 'rbd_imgdriver.manager.VolumeManager'


def downloads(volume_manager: str) -> str:
    """Whether Cinder downloads the image before it asks the driver."""
    if volume_manager == MANAGER:
        return 'Cinder asks the driver before it downloads the image.'
    return ('Cinder downloads the image first, also if it is not needed: '
            f'volume_manager is {volume_manager}, not {MANAGER}.')


def verdicts(backend: backends.Backend, image: model.Image,
             target: model.Target, volume_type: str,
             cipher: tuple[str, str, str]) -> Iterator[dict[str, Any]]:
    """What both strategies for encrypted volumes would say.

    :param volume_type: its id
    :param cipher: see :attr:`ciphertext.Kind.cipher`
    """
    try:
        backend.importer.admit(image, target.size)
    except errors.ImageError as error:
        yield {'strategy': CLONE, 'verdict': FAILS,
               'code': error.code, 'reason': error.reason}
        return
    clone = _clone(backend, image, target, volume_type, cipher)
    yield {'strategy': CLONE, **clone}
    yield {'strategy': backends.IMPORT,
           'verdict': USED if clone['verdict'] == DECLINES else POSSIBLE,
           'reason': f'{_source(backend, image)} and encrypts '
           f'{output.size(target.size)} into the volume'}


def _clone(backend: backends.Backend, image: model.Image,
           target: model.Target, volume_type: str,
           cipher: tuple[str, str, str]) -> dict[str, Any]:
    rules = backend.settings.encryption_rules
    refused = encrypted_clone.objection(target, rules)
    if refused is not None:
        return _declines(refused.code, refused.reason)
    try:
        encrypted.check_room(image, target.size)
    except siblings.NotCloned as error:
        return _declines(error.code, str(error))
    golden = ciphertext.name(
        image, encrypted_clone.kind_of(target, rules, volume_type, cipher))
    try:
        return _of(backend, image, golden)
    except ceph_errors.CephError as error:
        return _declines(error.code, str(error))


def _of(backend: backends.Backend, image: model.Image,
        golden: str) -> dict[str, Any]:
    volumes = (siblings.names(backend.store, golden)
               if backend.store.usable(golden, image) else [])
    if not volumes:
        return {'verdict': USED, 'reason': f'{_source(backend, image)} and '
                f'encrypts it into {golden}, which no volume opens yet; then '
                'one clone'}
    return {'verdict': USED, 'parent': str(backend.store.snapshot(golden)),
            'reason': f'one clone of {golden} with a header of its own, no '
            'data moved, if the key manager gives the request the key of one '
            f'of its {len(volumes)} volumes'}


def _source(backend: backends.Backend, image: model.Image) -> str:
    if backend.settings.cache is not None and backend.store.plain(image):
        return 'reads the image from the cache'
    return f'reads {output.size(image.size)} of the image'


def _declines(code: str, reason: str) -> dict[str, Any]:
    return {'verdict': DECLINES, 'code': code, 'reason': reason}
