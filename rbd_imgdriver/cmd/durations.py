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
"""Durations on the command line: ``90s``, ``45m``, ``12h``, ``30d``."""

import argparse
import re

_SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}


def seconds(text: str) -> int:
    """A duration in seconds.

    :raises argparse.ArgumentTypeError: when it is not a duration
    """
    match = re.fullmatch(r'(\d+)([smhdw])', text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not a duration such as 90s, 45m, 12h, 30d or 4w')
    return int(match[1]) * _SECONDS[match[2]]
