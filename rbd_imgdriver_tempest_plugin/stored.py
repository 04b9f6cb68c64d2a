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

"""How a volume is stored, by the ``rbd`` and ``rados`` commands.

A user who may only read will do.
"""

import dataclasses
import json
import subprocess
from typing import Any

KEYS = 'rbd-imgdriver/'


@dataclasses.dataclass(frozen=True)
class Stored:
    """One RBD image.

    :param parent: "pool/image@snapshot", or None
    :param metadata: what the driver has noted, without its prefix
    """

    parent: str | None
    metadata: dict[str, str]

    @property
    def strategy(self) -> str | None:
        """How the volume was made from an image."""
        return self.metadata.get('strategy')


class Pool:
    """The backend's pool, to look at.

    :param conf: the cluster's configuration file
    :param user: the Ceph user, without "client."
    """

    def __init__(self, conf: str, user: str, pool: str) -> None:
        self._options = ('--conf', conf, '--id', user)
        self._pool = pool

    def stored(self, volume_id: str) -> Stored:
        """Look at a volume."""
        name = f'{self._pool}/volume-{volume_id}'
        return Stored(self._parent(name), self._metadata(name))

    def depth(self, volume_id: str) -> int:
        """How many ancestors a volume has."""
        depth = 0
        parent = self._parent(f'{self._pool}/volume-{volume_id}')
        while parent is not None:
            depth += 1
            # The image, not its snapshot: that may be in the trash.
            parent = self._parent(parent.partition('@')[0])
        return depth

    def first_bytes(self, volume_id: str, count: int) -> bytes:
        """What is stored at the beginning of a volume, encrypted or not."""
        command = ['rbd', *self._options, 'export', '--no-progress',
                   f'{self._pool}/volume-{volume_id}', '-']
        with subprocess.Popen(command, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as export:
            assert export.stdout is not None
            data = export.stdout.read(count)
            export.kill()
        return data

    def _parent(self, name: str) -> str | None:
        parent = self._rbd('info', name).get('parent')
        if parent is None:
            return None
        namespace = parent.get('pool_namespace')
        inside = f'{namespace}/' if namespace else ''
        return (f'{parent["pool"]}/{inside}{parent["image"]}'
                f'@{parent["snapshot"]}')

    def _metadata(self, name: str) -> dict[str, str]:
        """From the image's header: "rbd image-meta" wants to write."""
        header = f'rbd_header.{self._rbd("info", name)["id"]}'
        prefix = f'metadata_{KEYS}'
        rados = ('rados', '--pool', self._pool)
        return {
            key.removeprefix(prefix): self._run(
                *rados, 'getomapval', header, key, '/dev/stdout')
            for key in self._run(*rados, 'listomapkeys', header).split('\n')
            if key.startswith(prefix)}

    def _rbd(self, *words: str) -> dict[str, Any]:
        """Run a command that answers in JSON."""
        answer: dict[str, Any] = json.loads(
            self._run('rbd', *words, '--format', 'json') or '{}')
        return answer

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run([program, *self._options, *words],
                              capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f'{program} {" ".join(words)}: {done.stderr}')
        return done.stdout
