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

"""A network service without networks: the least that Nova asks for.

    python3 network_stub.py <port>

Nova talks to Neutron whenever a server is created or deleted, also when the
server has no network.  Every list is empty here, and nothing can be made.
"""

from __future__ import annotations

import http.server
import json
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every GET of a list with an empty one."""

    def do_GET(self) -> None:
        kind = self.path.partition('?')[0].strip('/').rpartition('/')[2]
        kind = kind.removesuffix('.json').replace('-', '_')
        answer = json.dumps({kind: []}).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def main() -> None:
    """Serve on loopback."""
    http.server.ThreadingHTTPServer(
        ('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()


if __name__ == '__main__':
    main()
