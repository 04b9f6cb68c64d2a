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
"""``rbd-imgdriver-manage``: look into and look after backends.

Each noun is a module whose ``add_to()`` makes its parsers.  A verb is a
function that takes the parsed command line and the session and returns an
exit code.
"""

import argparse
from collections.abc import Sequence
import logging
import os
import sys
from typing import NoReturn

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.cmd import cache
from rbd_imgdriver.cmd import caps
from rbd_imgdriver.cmd import doctor
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import image
from rbd_imgdriver.cmd import leaks
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import process
from rbd_imgdriver.cmd import session
from rbd_imgdriver.cmd import volume
from rbd_imgdriver import errors
from rbd_imgdriver import printable

PROGRAM = 'rbd-imgdriver-manage'

NOUNS = (cache, leaks, image, volume, doctor, caps)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; the manual is made of it."""
    top = argparse.ArgumentParser(
        prog=PROGRAM, description='Look into and look after the Cinder '
        'backends that use rbd_imgdriver. Reads cinder.conf and needs no '
        'running Cinder.')
    nouns = top.add_subparsers(dest='noun', required=True, metavar='NOUN')
    for noun in NOUNS:
        noun.add_to(nouns, common_options())
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: an exit code, see :class:`rbd_imgdriver.cmd.exits.Exit`
    """
    args = parser().parse_args(argv)
    _set_up_logging(args.verbose)
    try:
        code = int(args.verb(args, session.Session(args)))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(exits.Exit.OK)
    except exits.CommandError as error:
        return _fail(error, error.exit_code)
    except errors.NotFound as error:
        return _fail(error, exits.Exit.NOT_FOUND)
    except (ceph_errors.CephError, errors.ServiceError) as error:
        return _fail(error, exits.Exit.FAILED)
    except KeyboardInterrupt:
        return _fail(Exception('interrupted'), exits.Exit.FAILED)


def run() -> NoReturn:
    """The console script: run the command of ``sys.argv`` and exit."""
    process.run(main, interrupted=exits.Exit.FAILED)


def common_options() -> argparse.ArgumentParser:
    """What every verb takes."""
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group('options of every command')
    group.add_argument(
        '--config-file', action='append', metavar='PATH',
        help="cinder.conf; may be given again (default: where Cinder's own "
        'commands find it)')
    group.add_argument(
        '--config-dir', action='append', metavar='PATH',
        help='directory of further *.conf files; may be given again')
    group.add_argument(
        '--backend', metavar='SECTION',
        help='section of cinder.conf (default: the only one that uses this '
        'driver)')
    group.add_argument(
        '--format', choices=output.FORMATS, default='table',
        help='a table for people or JSON for programs (default: table)')
    group.add_argument(
        '--verbose', action='store_true',
        help='tell on stderr what is being done')
    return common


def _set_up_logging(verbose: bool) -> None:
    """Warnings to stderr, never to the log of cinder-volume."""
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR,
                        format='%(message)s')
    logging.getLogger('rbd_imgdriver').setLevel(
        logging.INFO if verbose else logging.WARNING)


def _fail(error: Exception, code: exits.Exit) -> exits.Exit:
    print(f'{PROGRAM}: {printable.one_line(str(error))}', file=sys.stderr)
    for note in getattr(error, '__notes__', ()):
        print(f'  {printable.one_line(note)}', file=sys.stderr)
    return code


if __name__ == '__main__':
    run()
