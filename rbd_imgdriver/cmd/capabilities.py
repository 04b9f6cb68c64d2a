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
"""What a cephx user may do, and the least that must be added to it.

``ceph auth caps`` replaces all capabilities of a user, and a user is often
shared: with Nova, with Cinder's backups.  So what is there is kept, word for
word, and what is missing is added behind it.

Pure: from text to text.
"""

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import json
import re
import shlex

# Grants stand between commas or semicolons, but for those within quotes
# (osd/OSDCap.cc, mon/MonCap.cc, mgr/MgrCap.cc).
_GRANT = re.compile(r'''(?:[^,;"']|"[^"]*"|'[^']*')+''')
_SECTION = re.compile(r'^\s*\[([^\]]+)\]\s*$')
_CAPS = re.compile(r'^\s*caps\s*:?\s*\[?(\w+)\]?\s*=?\s*"?(.*?)"?\s*$')
# Restricts a grant further, and is the operator's to decide.
_NETWORK = re.compile(r'\s+network\s+\S+$')
_READ_WRITE, _READ_ONLY = 'profile rbd', 'profile rbd-read-only'
_EVERYTHING = {'mon': ('allow *', 'allow all'),
               'osd': ('allow *', 'allow all', 'allow rwx'),
               'mgr': ('allow *', 'allow all')}

Caps = Mapping[str, str]


class Unreadable(Exception):
    """The text is not what ``ceph auth get`` prints."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What the backends of one user need.

    :param pools: that volumes, or their data, are in
    :param images: that Glance's images are in
    """

    pools: Collection[str]
    images: Collection[str] = ()

    def grants(self, daemon: str) -> list[str]:
        """The grants for ``mon``, ``osd`` or ``mgr``."""
        if daemon == 'mon':
            return [_READ_WRITE]
        return [f'{_READ_WRITE} pool={name}' for name in sorted(self.pools)
                ] + [f'{_READ_ONLY} pool={name}'
                     for name in sorted(set(self.images) - set(self.pools))]


def parse(text: str) -> dict[str, dict[str, str]]:
    """The capabilities of each user in the output of ``ceph auth get``.

    :param text: a keyring, as is printed by default, or JSON
    :raises Unreadable: when it is neither
    """
    if text.lstrip().startswith(('[{', '{')):
        return _parsed_json(text)
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    for line in text.splitlines():
        section, caps = _SECTION.match(line), _CAPS.match(line)
        if section:
            current = found.setdefault(section[1], {})
        elif caps and current is not None:
            current[caps[1]] = caps[2]
    if not found:
        raise Unreadable('this is not what "ceph auth get" prints')
    return found


def _parsed_json(text: str) -> dict[str, dict[str, str]]:
    try:
        answer = json.loads(text)
        users = answer if isinstance(answer, list) else [answer]
        return {str(one['entity']): {str(daemon): str(caps) for daemon, caps
                                     in one['caps'].items()}
                for one in users}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(
            'this is not what "ceph auth get --format json" prints') from error


def missing(present: Caps, needs: Needs) -> dict[str, list[str]]:
    """The grants that a user lacks, by daemon."""
    found = {daemon: [one for one in needs.grants(daemon)
                      if not _is_covered(daemon, one, present.get(daemon, ''))]
             for daemon in _EVERYTHING}
    return {daemon: grants for daemon, grants in found.items() if grants}


def merged(present: Caps, needs: Needs) -> dict[str, str]:
    """All that is there, and behind it what is missing."""
    result = dict(present)
    for daemon, grants in missing(present, needs).items():
        kept = result.get(daemon, '').strip().rstrip(',;')
        result[daemon] = ', '.join([*([kept] if kept else []), *grants])
    return result


def command(entity: str, caps: Caps) -> list[str]:
    """The lines of the command that gives a user these capabilities."""
    words = [f'ceph auth caps {shlex.quote(entity)}']
    words += [f'    {daemon} {_quoted(text)}' for daemon, text in caps.items()]
    return [*(line + ' \\' for line in words[:-1]), words[-1]]


def _quoted(text: str) -> str:
    """In single quotes, as the documentation writes them."""
    return shlex.quote(text) if "'" in text else f"'{text}'"


def _is_covered(daemon: str, wanted: str, present: str) -> bool:
    return any(grant in _EVERYTHING[daemon] or grant in _wider(wanted)
               for grant in _grants(present))


def _grants(text: str) -> Iterator[str]:
    """The single grants of a text, in one spelling."""
    for grant in _GRANT.findall(text):
        plain = re.sub(r'\s+', ' ', grant.strip())
        plain = _NETWORK.sub('', plain).replace('allow profile ', 'profile ')
        plain = re.sub(r'''(pool[= ])["']([^"']*)["']''', r'\1\2', plain)
        yield plain.replace('pool ', 'pool=')


def _wider(wanted: str) -> Iterator[str]:
    """The grants that include one: itself, and those for more."""
    profile, _, pool = wanted.partition(' pool=')
    for one in {profile, _READ_WRITE}:
        yield one
        if pool:
            yield f'{one} pool={pool}'
