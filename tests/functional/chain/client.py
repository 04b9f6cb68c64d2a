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
"""Another client of the cluster: a process that has an image open.

Run as a program it opens the image and answers each line ``<offset>
<length>`` on its standard input with the hexadecimal digest of those bytes.
With a text after them it fills those bytes with the text instead.
"""

import hashlib
import pathlib
import subprocess
import sys


class Client:
    """A process that holds an image open, as a guest's qemu does.

    :param image: ``<pool>/<image>`` or ``<pool>/<image>@<snapshot>``
    :param writable: as a guest; else read-only, as a backup or an upload
    """

    def __init__(self, conf: str, user: str, image: str,
                 writable: bool) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(pathlib.Path(__file__)), conf, user, image,
             'rw' if writable else 'ro'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == 'open'

    def read(self, offset: int, length: int) -> str:
        """The SHA-256 of what the client reads there now."""
        self._process.stdin.write(f'{offset} {length}\n')
        self._process.stdin.flush()
        return self._answer()

    def write(self, offset: int, length: int, text: str) -> None:
        """Fill bytes with a text; returns when Ceph has them."""
        self._process.stdin.write(f'{offset} {length} {text}\n')
        self._process.stdin.flush()
        assert self._answer() == 'written'

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def kill(self) -> None:
        self._process.kill()
        self.close()

    def _answer(self) -> str:
        return self._process.stdout.readline().strip()


def main(conf: str, user: str, image: str, mode: str) -> None:
    import rados
    import rbd

    pool, _, rest = image.partition('/')
    name, _, snapshot = rest.partition('@')
    with rados.Rados(conffile=conf, rados_id=user) as client, \
            client.open_ioctx(pool) as ioctx, \
            rbd.Image(ioctx, name, snapshot=snapshot or None,
                      read_only=mode == 'ro') as opened:
        print('open', flush=True)
        for line in sys.stdin:
            offset, length, *text = line.split()
            if text:
                data = text[0].encode() * int(length)
                opened.write(data[:int(length)], int(offset))
                opened.flush()
                print('written', flush=True)
                continue
            data = opened.read(int(offset), int(length))
            print(hashlib.sha256(data).hexdigest(), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
