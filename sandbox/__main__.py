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

"""The command line: python3 -m sandbox up|down|purge|status|env|restart."""

from __future__ import annotations

import argparse
import shlex
import sys

from sandbox import cloud
from sandbox import context
from sandbox import environment
from sandbox import errors
from sandbox import progress

NOT_RUNNING = 3
STOPPING = ('down', 'purge')


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    options = _parser().parse_args(arguments)
    report = progress.Progress()
    sandbox = context.Context.from_environ()
    try:
        if options.command == 'up':
            sandbox.layout.prepare()
        elif not sandbox.layout.exists():
            print(f'there is no sandbox in {sandbox.layout.root}; '
                  'to make one: make sandbox-up', file=sys.stderr)
            return 0 if options.command in STOPPING else NOT_RUNNING
        return COMMANDS[options.command](sandbox, report, options)
    except errors.SandboxError as error:
        print(error.explain(), file=sys.stderr)
    except KeyboardInterrupt:
        print('interrupted; what runs keeps running', file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python3 -m sandbox',
        description='A block-storage cloud on this machine.')
    commands = parser.add_subparsers(dest='command', required=True)
    commands.add_parser('up', help='install, start, wait until ready')
    commands.add_parser('down', help='stop everything')
    commands.add_parser('purge', help='stop everything, remove all files')
    commands.add_parser('status', help='what runs')
    commands.add_parser('env', help='shell exports to work with it')
    restart = commands.add_parser('restart', help='restart some services')
    restart.add_argument('service', nargs='*', default=['cinder-volume'],
                         help='by default cinder-volume')
    return parser


def _up(sandbox: context.Context, report: progress.Progress,
        options: argparse.Namespace) -> int:
    report.line(f'sandbox in {sandbox.layout.root}')
    cloud.Cloud(sandbox, report).up()
    report.line('the sandbox is up; to use it:  '
                'eval "$(make -s sandbox-env)"')
    return 0


def _down(sandbox: context.Context, report: progress.Progress,
          options: argparse.Namespace) -> int:
    cloud.Cloud(sandbox, report).down()
    report.line('the sandbox is down')
    return 0


def _purge(sandbox: context.Context, report: progress.Progress,
           options: argparse.Namespace) -> int:
    cloud.Cloud(sandbox, report).purge()
    report.line('the sandbox is gone')
    return 0


def _status(sandbox: context.Context, report: progress.Progress,
            options: argparse.Namespace) -> int:
    daemons = cloud.Cloud(sandbox, report).daemons()
    running = [daemon.running() for daemon in daemons]
    for daemon, process in zip(daemons, running, strict=False):
        print(f'{daemon.name:17} '
              f'{f"pid {process.pid}" if process else "-":12} {daemon.log}')
    return 0 if all(running) else NOT_RUNNING


def _env(sandbox: context.Context, report: progress.Progress,
         options: argparse.Namespace) -> int:
    for name, value in environment.exports(sandbox).items():
        print(f'export {name}={shlex.quote(value)}')
    return 0


def _restart(sandbox: context.Context, report: progress.Progress,
             options: argparse.Namespace) -> int:
    cloud.Cloud(sandbox, report).restart(options.service)
    return 0


COMMANDS = {'up': _up, 'down': _down, 'purge': _purge, 'status': _status,
            'env': _env, 'restart': _restart}

if __name__ == '__main__':
    sys.exit(main())
