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
"""What an operator decides about imports."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Options:
    """The settings of one backend.

    :param conversion_dir: directory for temporary files
    :param volume_pools: names of the pools that hold volumes and no images
    :param lock_path: directory for locks between the services of a host; ''
        for that of the temporary files
    :param concurrent: imports that may run at the same time
    :param user: whom converters run as when the service itself is root
    :param memory_limit: bytes of address space that a converter may take
    :param stall_timeout: seconds without progress that end a conversion
    :param retries: times that a broken download is taken up again
    :param conversion_disabled: refuse what is not raw
    :param compressed_allowed: accept gzip compressed images
    :param luks_iterations: of PBKDF2 that make a key of an encrypted volume's
        passphrase
    :param vmdk_types: VMDK subformats that are accepted
    """

    conversion_dir: str
    lock_path: str = ''
    volume_pools: frozenset[str] = frozenset()
    concurrent: int = 4
    user: str = 'nobody'
    memory_limit: int = 4 * 1024 ** 3
    stall_timeout: float = 300.0
    retries: int = 3
    conversion_disabled: bool = False
    compressed_allowed: bool = True
    luks_iterations: int = 1000
    vmdk_types: tuple[str, ...] = ('streamOptimized', 'monolithicSparse')
