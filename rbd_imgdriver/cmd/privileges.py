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
"""Whom the command runs as: never as root where cinder-volume does not.

A lock, a directory or a file that root makes is one that cinder-volume can
no longer use.
"""

from collections.abc import Iterable
import contextlib
import logging
import os
import pathlib
import pwd

from rbd_imgdriver.cmd import exits

LOG = logging.getLogger(__name__)

ROOT = 0


def owner(paths: Iterable[pathlib.Path]) -> int:
    """The user that cinder-volume runs as.

    :param paths: directories that it writes to; those that do not exist say
        nothing, and neither does one of root's beside another's
    :returns: the user's id
    :raises exits.CommandError: when they belong to several users
    """
    found: dict[int, pathlib.Path] = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.setdefault(path.stat().st_uid, path)
    found.pop(ROOT, None)
    if len(found) > 1:
        raise exits.CommandError(
            exits.Exit.CONFIG, 'run this as the user of cinder-volume, not as '
            'root; it is not clear which user that is: ' + ' and '.join(
                f'{path} belongs to {_name(uid)}'
                for uid, path in sorted(found.items())))
    return next(iter(found), ROOT)


def drop_to_owner(paths: Iterable[pathlib.Path]) -> None:
    """Become the user that cinder-volume runs as, if this is root.

    :param paths: as for :func:`owner`
    """
    if os.geteuid() != ROOT:
        return
    uid = owner(paths)
    if uid == ROOT:
        return
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise exits.CommandError(
            exits.Exit.CONFIG, f'run this as the user of cinder-volume: user '
            f'{uid}, to whom its directories belong, has no name here'
        ) from error
    # Its groups are what lets it read Ceph's keyring.
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(uid)
    os.environ['HOME'] = entry.pw_dir
    LOG.info('Running as %s, the user of cinder-volume', entry.pw_name)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f'user {uid}'
