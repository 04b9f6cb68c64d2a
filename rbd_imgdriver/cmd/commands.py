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
"""What all verbs share, on top of cliff: exit codes, session, sentences."""

import argparse
from collections.abc import Iterable
from collections.abc import Sequence
import functools
import os
import sys
from typing import Any

from cliff import app as cliff_app
from cliff import command
from cliff import lister
from cliff import show

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import errors
from rbd_imgdriver import printable

Exit = exits.Exit
Columns = Sequence[output.Column]
Table = tuple[Sequence[str], Sequence[Any]]


class _Verb(command.Command):
    """A verb; its docstring is what ``--help`` says of it."""

    columns: Columns = ()
    # Whether it reads what is root's; see rbd_imgdriver.cmd.privileges.
    stay_root = False

    def __init__(self, app: cliff_app.App,
                 app_args: argparse.Namespace | None) -> None:
        # Without its name cliff looks for no plug-ins of a command, which
        # nobody has and which takes time.
        super().__init__(app, app_args)
        self.exit_code = Exit.OK
        self._sentences: list[str] = []
        self._tables: list[tuple[Columns, Iterable[output.Record]]] = []

    @functools.cached_property
    def session(self) -> sessions.Session:
        """The backend that the command line names."""
        return sessions.Session(argparse.Namespace(
            **vars(self.app_args or argparse.Namespace()),
            stay_root=self.stay_root))

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what only this verb takes."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The parser of the verb's own options and arguments."""
        parser = super().get_parser(prog_name)
        self.add_arguments(parser)
        return parser

    def get_epilog(self) -> str:
        """Nothing: cliff's names the package, for which it reads them all."""
        return ''

    def say(self, text: str) -> None:
        """Print a sentence for people below the table."""
        self._sentences += text.split('\n')

    def also(self, columns: Columns,
             records: Iterable[output.Record]) -> None:
        """Print another table for people below the first."""
        self._tables.append((columns, records))

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Do it, and print the result.

        :returns: an exit code, see :class:`rbd_imgdriver.cmd.exits.Exit`
        """
        try:
            super().run(parsed_args)
            if getattr(parsed_args, 'formatter', '') == output.TABLE:
                self._print_more(parsed_args)
            self.app.stdout.flush()
            return self.exit_code
        except BrokenPipeError:  # the reader has seen enough
            _drop_output()
            return Exit.OK
        except OSError as error:  # of stdout: the others are translated
            _drop_output()
            return self._fail(error, Exit.FAILED)
        except ValueError as error:
            if not sessions.is_of_configuration(error):
                raise
            return self._fail(error, Exit.CONFIG)
        except exits.CommandError as error:
            return self._fail(error, error.exit_code)
        except errors.NotFound as error:
            return self._fail(error, Exit.NOT_FOUND)
        except (ceph_errors.CephError, errors.ServiceError) as error:
            return self._fail(error, Exit.FAILED)
        except KeyboardInterrupt:
            return self._fail(Exception('interrupted'), Exit.FAILED)

    def _print_more(self, parsed_args: argparse.Namespace) -> None:
        stdout = self.app.stdout
        for columns, records in self._tables:
            self.formatter.emit_list(  # type: ignore[attr-defined]
                *output.rows(columns, records, output.TABLE), stdout,
                parsed_args)
        for line in self._sentences:
            stdout.write(printable.one_line(line) + '\n')

    def _fail(self, error: Exception, code: Exit) -> Exit:
        if self.app.options.debug:
            self.app.LOG.error('%s', error, exc_info=error)
        lines = [f'{self.app.NAME}: {error}',
                 *(f'  {note}' for note in getattr(error, '__notes__', ()))]
        for line in lines:
            print(printable.one_line(line), file=self.app.stderr)
        return code


class Doing(_Verb):
    """A verb that prints nothing."""


class Listing(_Verb, lister.Lister):
    """A verb that prints a line for each record."""

    def records(self, args: argparse.Namespace) -> Iterable[output.Record]:
        """Do what the verb does; what to print."""
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """What cliff prints."""
        return output.rows(self.columns, self.records(parsed_args),
                           parsed_args.formatter)


class Showing(_Verb, show.ShowOne):
    """A verb that prints one record, a line for each value."""

    def record(self, args: argparse.Namespace) -> output.Record:
        """Do what the verb does; what to print."""
        raise NotImplementedError

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """What cliff prints."""
        names, (row,) = output.rows(
            self.columns, [self.record(parsed_args)], parsed_args.formatter)
        return names, row


def _drop_output() -> None:
    """Let what is buffered go nowhere: Python flushes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """The option of a verb that removes something."""
    parser.add_argument('--dry-run', action='store_true',
                        help='say only what would be done')
