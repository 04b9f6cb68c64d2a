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

"""Turn a subunit stream on stdin into JSON on stdout: one object a test.

Runs in the sandbox's environment, which has subunit and testtools.
"""

import json
import sys

import subunit
import testtools


def describe(test: dict) -> dict:
    """A test's outcome: its id, status, seconds, and what it said."""
    began, ended = test['timestamps']
    details = {name: content.as_text()
               for name, content in test['details'].items()
               if name in ('reason', 'traceback', 'traceback-1')}
    return {
        'id': test['id'], 'status': test['status'],
        'seconds': (ended - began).total_seconds() if began and ended else 0,
        'reason': details.get('reason', ''),
        'traceback': '\n'.join(text for name, text in details.items()
                               if name != 'reason')}


def main() -> None:
    tests: list[dict] = []
    result = testtools.StreamToDict(
        lambda test: tests.append(describe(test)))
    stream = subunit.ByteStreamToStreamResult(
        sys.stdin.buffer, non_subunit_name='stdout')
    result.startTestRun()
    stream.run(result)
    result.stopTestRun()
    json.dump(tests, sys.stdout)


if __name__ == '__main__':
    main()
