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
"""Write the completion of rbd-imgdriver-manage for bash.

    .venv/bin/python tools/completion.py

It is made from the parser, so it knows what the command knows.
"""

import argparse
from collections.abc import Iterator
import pathlib

from rbd_imgdriver.cmd import manage

TARGET = (pathlib.Path(__file__).resolve().parents[1]
          / 'etc/bash_completion.d/rbd-imgdriver-manage')


def completion() -> str:
    """The text of the file."""
    cases = '\n'.join(f'        {command!r}) words={words!r} ;;'
                      for command, words in _words(manage.parser(), ''))
    return f'''\
# bash completion for rbd-imgdriver-manage; written by tools/completion.py

_rbd_imgdriver_manage() {{
    local word=${{COMP_WORDS[COMP_CWORD]}}
    local previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local command='' words='' each
    COMPREPLY=()
    case $previous in
        --config-file|--config-dir)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            return ;;
        --format)
            mapfile -t COMPREPLY < <(compgen -W 'table json' -- "$word")
            return ;;
    esac
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case $each in
            -*) break ;;
            *)  [[ $command == *' '* ]] ||
                    command="${{command:+$command }}$each" ;;
        esac
    done
    case $command in
{cases}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -F _rbd_imgdriver_manage rbd-imgdriver-manage
'''


def _words(parser: argparse.ArgumentParser,
           command: str) -> Iterator[tuple[str, str]]:
    """What may follow each command."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield command, ' '.join(action.choices)
            for name, child in action.choices.items():
                yield from _words(child, f'{command} {name}'.strip())
            return
    yield command, ' '.join(option for action in parser._actions
                            for option in action.option_strings)


if __name__ == '__main__':
    TARGET.write_text(completion())
    print(f'written: {TARGET}')
