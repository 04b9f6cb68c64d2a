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
"""A process that creates volumes from an image, as cinder-volume would.

Started by tests that need several processes, one that can be killed, or one
patched by eventlet.  Reads one JSON object from its arguments, says ``ready``
and at the end one JSON line for each volume.
"""

import concurrent.futures
import json
import os
import sys
import time

GREEN = json.loads(sys.argv[1]).get('green', False)
if GREEN:
    import eventlet
    eventlet.monkey_patch()
else:
    os.environ['OS_CINDER_DISABLE_EVENTLET_PATCHING'] = 'true'

import pathlib  # noqa: E402

from cinder import context  # noqa: E402

from tests.functional import host  # noqa: E402


class Cluster:
    """Where the cluster's configuration is; all that a driver asks."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def conf(self, user: str) -> str:
        del user
        return self._directory


class SlowService(host.ImageService):
    """An image service whose data comes no faster than it should."""

    pause = 0.0

    def chunks(self, start=0):
        for chunk in super().chunks(start):
            if self.pause:
                time.sleep(self.pause)
            yield chunk


def say(**facts) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    wanted = json.loads(sys.argv[1])
    state = pathlib.Path(wanted['state'])
    (state / 'conversion').mkdir(parents=True, exist_ok=True)
    host.prepare(state)
    driver = host.make(Cluster(wanted['conf']), wanted['pool'],
                       image_volume_cache_enabled=True)
    service = SlowService(pathlib.Path(wanted['path']))
    service.pause = wanted.get('pause', 0.0)
    say(ready=True)
    sys.stdin.readline()

    made = []

    def create(name: str) -> None:
        volume = host.volume(id=name)
        try:
            driver.clone_image(context.get_admin_context(), volume,
                               (None, []), wanted['meta'], service)
            made.append({'volume': volume.name, 'ok': True})
        except Exception as error:
            made.append({'volume': volume.name, 'ok': False,
                         'error': repr(error)})

    longest = run(create, wanted['volumes'])
    for facts in made:
        say(**facts)
    say(downloads=service.downloads, longest_silence=longest)


def run(create, volumes) -> float:
    """Create all at once; the longest time that nothing else could run."""
    if not GREEN:
        with concurrent.futures.ThreadPoolExecutor(len(volumes)) as threads:
            list(threads.map(create, volumes))
        return 0.0
    longest, done = 0.0, False

    def tick() -> None:
        nonlocal longest
        before = time.monotonic()
        while not done:
            eventlet.sleep(0.001)
            now = time.monotonic()
            longest, before = max(longest, now - before), now

    ticker = eventlet.spawn(tick)
    threads = [eventlet.spawn(create, volume) for volume in volumes]
    for thread in threads:
        thread.wait()
    done = True
    ticker.wait()
    return longest


if __name__ == '__main__':
    main()
