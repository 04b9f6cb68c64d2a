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

"""A contender's process: does what it reads from its standard input.

    python -m bench.worker ours|intree|limit SETTINGS

One line of JSON for each call, ``{"call": name, "arguments": {...}}``; one
for each answer, ``{"result": ...}`` or ``{"error": text}``.  The first answer
comes unasked, when the process is ready.
"""

import json
import os
import sys
import traceback
from typing import Any
from typing import TextIO


def main() -> int:
    """Serve calls until the input ends."""
    kind, settings = sys.argv[1], json.loads(sys.argv[2])
    # Nobody but us may write where the answers go.
    answers = os.fdopen(os.dup(1), 'w', buffering=1)
    os.dup2(2, 1)
    if kind == 'limit':
        return _serve(_limit(settings), sys.stdin.readline, answers)
    # As cinder-volume does, before anything else is imported.
    from cinder import monkey_patch
    monkey_patch.patch()
    from cinder import objects
    objects.register_all()
    from eventlet import tpool

    from bench.worker import host
    agent = host.Host(kind, settings)
    # The event loop goes on while nobody asks for anything.
    return _serve(agent, lambda: tpool.execute(_read_line), answers)


def _limit(settings: dict[str, Any]) -> Any:
    from bench.worker import limit
    return limit.Limit(settings)


def _read_line() -> str:
    line = b''
    while not line.endswith(b'\n'):
        read = os.read(0, 1)
        if not read:
            return ''
        line += read
    return line.decode()


def _serve(agent: Any, read: Any, answers: TextIO) -> int:
    answers.write(json.dumps({'result': 'ready'}) + '\n')
    while line := read():
        request = json.loads(line)
        try:
            result = getattr(agent, request['call'])(**request['arguments'])
            answer = {'result': result}
        except Exception:
            answer = {'error': traceback.format_exc()}
        answers.write(json.dumps(answer) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
