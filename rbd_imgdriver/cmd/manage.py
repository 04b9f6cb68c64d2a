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
"""``rbd-imgdriver-manage``: inspect and maintain backends.

The command line is cliff's, as that of OpenStack's client.  Each noun is a
module with a class for each verb; a module is imported when its verb is used.
"""

import argparse
from collections.abc import Sequence
import importlib
from importlib import metadata
import logging
import sys
from typing import Any
from typing import NoReturn

from cliff import app
from cliff import command
from cliff import commandmanager

from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import process
from rbd_imgdriver import printable

PROGRAM = 'rbd-imgdriver-manage'

COMMANDS = {
    'cache list': 'cache:List',
    'cache show': 'cache:Show',
    'cache prefetch': 'prefetch:Prefetch',
    'cache pause': 'cache:Pause',
    'cache resume': 'cache:Resume',
    'cache pin': 'cache:Pin',
    'cache unpin': 'cache:Unpin',
    'cache evict': 'cache:Evict',
    'cache prune': 'cache:Prune',
    'cache check': 'cache_upkeep:Check',
    'cache sweep': 'cache_upkeep:Sweep',
    'leaks list': 'leaks:List',
    'leaks repair': 'leaks:Repair',
    'image explain': 'image:Explain',
    'volume explain': 'volume:Explain',
    'caps': 'caps:Caps',
    'doctor': 'doctor:Doctor',
}

_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)


class _Late:
    """A command whose module is imported when it is needed."""

    def __init__(self, name: str, where: str) -> None:
        self.name = name
        module, _, self._class = where.partition(':')
        self.value = f'rbd_imgdriver.cmd.{module}:{self._class}'

    def load(self) -> type[command.Command]:
        """The class of the command."""
        found: type[command.Command] = getattr(
            importlib.import_module(self.value.partition(':')[0]),
            self._class)
        return found


class Commands(commandmanager.CommandManager):
    """The commands, from the table above: they are not plug-ins."""

    def __init__(self) -> None:
        super().__init__()
        for name, where in COMMANDS.items():
            late: Any = _Late(name, where)
            self.commands[name] = late


class Manage(app.App):
    """The command line."""

    NAME = PROGRAM
    LOG = logging.getLogger(PROGRAM)

    def __init__(self) -> None:
        super().__init__(
            'Inspect and maintain the Cinder backends that use rbd_imgdriver. '
            'Reads cinder.conf and needs no running Cinder.',
            metadata.version('rbd-imgdriver'), Commands(),
            deferred_help=True)

    def build_option_parser(self, description: str | None,
                            version: str | None,
                            argparse_kwargs: dict[str, Any] | None = None,
                            ) -> argparse.ArgumentParser:
        """What every command takes, before its noun or after it."""
        # Of an abbreviation nobody knows whether it is one of the verb's.
        parser = super().build_option_parser(
            description, version, {'prog': PROGRAM, 'allow_abbrev': False})
        parser.add_argument(
            '--config-file', action='append', metavar='PATH',
            help="cinder.conf; may be given again (default: where Cinder's "
            'own commands find it)')
        parser.add_argument(
            '--config-dir', action='append', metavar='PATH',
            help='directory of further .conf files; may be given again')
        parser.add_argument(
            '--backend', metavar='SECTION',
            help='section of cinder.conf (default: the only one that uses '
            'this driver)')
        return parser

    def configure_logging(self) -> None:
        """Warnings to stderr, never to the log of cinder-volume."""
        level = _LEVELS[min(self.options.verbose_level, len(_LEVELS) - 1)]
        handlers: list[logging.Handler] = [logging.StreamHandler(self.stderr)]
        if self.options.log_file:
            handlers.append(logging.FileHandler(self.options.log_file))
        for handler in handlers:
            handler.setFormatter(_OneLine('%(message)s'))
        logging.basicConfig(handlers=handlers, level=logging.ERROR)
        for name in ('rbd_imgdriver', PROGRAM):
            logging.getLogger(name).setLevel(level)

    def initialize_app(self, argv: list[str]) -> None:
        """Refuse what would start cliff's shell, which nobody asked for."""
        if not argv and not self.options.deferred_help:
            self.parser.error('there is no command; --help lists them')


class _OneLine(logging.Formatter):
    """Messages of which a tenant may have written a part."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable.one_line(super().formatMessage(record))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    :returns: an exit code, see :class:`rbd_imgdriver.cmd.exits.Exit`
    """
    return int(Manage().run(list(sys.argv[1:] if argv is None else argv)))


def run() -> NoReturn:
    """The console script: run the command of ``sys.argv`` and exit."""
    process.run(main, interrupted=exits.Exit.FAILED)


if __name__ == '__main__':
    run()
