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
"""What qemu-img is told of a new container."""

import pytest

from rbd_imgdriver.importer.qemu import luks


@pytest.mark.parametrize(('cipher', 'mode', 'milliseconds'), [
    ('aes-256', 'xts', 1000),  # 64 bytes: qemu derives twice
    ('serpent-192', 'xts', 1000),
    ('aes-128', 'xts', 2000),
    ('aes-256', 'cbc', 2000)])
def test_a_derivation_takes_two_seconds_in_all(cipher, mode, milliseconds):
    options = luks.header_options(
        luks.Encryption('secret', cipher, mode, 'plain64'))

    assert options == (f'key-secret=luks,cipher-alg={cipher},'
                       f'cipher-mode={mode},ivgen-alg=plain64,'
                       f'iter-time={milliseconds}')


def test_the_hash_of_an_initialization_vector():
    options = luks.header_options(
        luks.Encryption('secret', 'aes-256', 'cbc', 'essiv:sha256'))

    assert 'ivgen-alg=essiv,' in options
    assert options.endswith(',ivgen-hash-alg=sha256')
