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

"""Refuse turns of phrase that read as if translated.

The words that were agreed on are in CONTRIBUTING.rst ("Words").  This looks
only for the old ones that used to be frequent and that no good sentence needs.

    python -m tools.check_english FILE ...
"""

import pathlib
import re
import sys

# What is looked for, in any case, and what to write.
REFUSED = {
    r'\bbelongs? into\b': 'must be called in',
    r'\bthe begin\b': 'the beginning',
    r'\bit shall be\b': 'it has to be, is meant to be',
    r'\bshall\b': 'must, is to',
    r'\bhas not (?:the|a|any)\b': 'does not have the',
    r'\bwent with its\b': 'was removed with its',
    r'\bpasses whole\b': 'passes all tests of',
    r'\btold\b': 'reported, given, answered',
    r'\btells (?:of|at once|(?:the|a) \w+ (?:so|that)|whether)\b':
        'reports, says',
    r'\bhands (?:it|the|them)\b': 'passes, gives',
    r'(?<!here )\bis no (?:byte|chance|cipher|clone|entry|good|guest|mark|'
    r'number|part|plug-in|secret|volume|way|wrong)\b': 'is not a',
    r'\bwhen it is none\b|\bor None when it is none\b': 'when it is not one',
    r'\b(?:he|his|him|himself|she|her|hers|herself)\b':
        'they, their, them',
    r'\banew\b': 'again',
    r'\bmake it anew\b': 'rebuild it',
    r'\bhow it is called\b': 'what it is called',
    r'\bfor who (?!in\b)': 'for a caller that, for those who',
    r'\bwho (?:finds|gets(?! what)|makes|waits|writes|comes|puts)\b':
        'a caller that, whoever',
}

# Where the old phrases are listed.
LISTS = {pathlib.Path(__file__).name, 'CONTRIBUTING.rst'}


def faults(text: str) -> list[tuple[int, str, str]]:
    """The refused phrases of a text: (line number, phrase, remedy)."""
    found = []
    for pattern, remedy in REFUSED.items():
        for match in re.finditer(pattern, text, re.IGNORECASE):
            line = text.count('\n', 0, match.start()) + 1
            found.append((line, match.group(), remedy))
    return sorted(found)


def main(names: list[str]) -> int:
    """Print what is refused; the exit status says whether there is any."""
    status = 0
    for name in names:
        path = pathlib.Path(name)
        if path.name in LISTS:
            continue
        for line, phrase, remedy in faults(path.read_text()):
            print(f'{name}:{line}: "{phrase}": write "{remedy}"')
            status = 1
    return status


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
