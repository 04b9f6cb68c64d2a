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
"""encrypted-clone: a clone of the image's golden ciphertext.

Prerequisites: ``image_volume_cache_enabled`` and
``rbd_imgdriver_encrypted_clones`` in the backend's section, and for a clone
without an import another volume of the same project and image whose key the
request may fetch.  Serves encrypted volumes only, and only they are asked.
"""

import dataclasses
from typing import Protocol

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import encrypted
from rbd_imgdriver.cache import siblings
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import maker


class Clones(Protocol):
    """What is needed of :class:`encrypted.EncryptedClones`."""

    def make(self, wanted: encrypted.Wanted) -> encrypted.Made:
        """Make the volume, and before it the ciphertext if there is none."""
        ...


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the operator decided.

    :param order: log2 of the object size of new images in bytes
    :param max_depth: ``rbd_max_clone_depth``
    :param cached: whether the cache is on
    """

    sharing: ciphertext.Sharing
    order: int
    max_depth: int
    cached: bool


@dataclasses.dataclass(frozen=True)
class Terms:
    """How one volume is to be encrypted.

    :param volume_type: its id
    :param keys: of other volumes of the project, for this request
    :param replaces: whether there is an empty volume whose place it takes
    """

    encryption: luks_header.Encryption
    volume_type: str
    keys: siblings.Keys
    replaces: bool


def objection(target: model.Target, rules: Rules) -> model.Declined | None:
    """Why no volume like this may be a clone; None when it may: pure."""
    if rules.sharing is ciphertext.Sharing.OFF:
        return model.Declined('clones-off', 'rbd_imgdriver_encrypted_clones '
                              'is off')
    if not rules.cached:
        return model.Declined('cache-off',
                              'image_volume_cache_enabled is not set')
    if not maker.must_copy(target, rules.max_depth, of_glance=False):
        return None
    if target.replicated:
        return model.Declined('mirrored', 'the volume is mirrored and golden '
                              'ciphertexts are not')
    return model.Declined('no-clones', 'rbd_max_clone_depth is '
                          f'{rules.max_depth}')


def kind_of(target: model.Target, rules: Rules, volume_type: str,
            cipher: tuple[str, str, str]) -> ciphertext.Kind:
    """With which volumes a volume may share its data.

    :param volume_type: its id
    :param cipher: see :attr:`luks_header.Encryption.cipher`
    """
    of_type = rules.sharing is ciphertext.Sharing.VOLUME_TYPE
    return ciphertext.Kind(
        str(target.project_id), volume_type if of_type else '', cipher,
        rules.order)


class EncryptedClone:
    """Makes one volume, on its own terms, of a golden ciphertext."""

    name = 'encrypted-clone'

    def __init__(self, clones: Clones, rules: Rules, terms: Terms) -> None:
        self._clones = clones
        self._rules = rules
        self._terms = terms

    def attempt(self,
                request: model.Request) -> model.Created | model.Declined:
        """Clone the golden ciphertext, after an import if there is none."""
        refused = objection(request.target, self._rules)
        if refused is not None:
            return refused
        try:
            made = self._clones.make(self._wanted(request))
        except siblings.NotCloned as error:
            return model.Declined(error.code, str(error))
        except ceph_errors.CephError as error:
            return base.declined_by(request, error)
        return model.Created(parent=str(made.parent),
                             bytes_moved=made.bytes_moved)

    def _wanted(self, request: model.Request) -> encrypted.Wanted:
        target, terms = request.target, self._terms
        return encrypted.Wanted(
            request.image, request.data, request.events, target.name,
            target.size, kind_of(target, self._rules, terms.volume_type,
                                 terms.encryption.cipher),
            terms.encryption, terms.keys,
            lambda moved: request.record(self.name, moved), terms.replaces)
