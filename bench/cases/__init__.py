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

"""What is measured: one function for each case, by name."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import functools

from bench.cases import balance
from bench.cases import chains
from bench.cases import clones
from bench.cases import cloud
from bench.cases import concurrency
from bench.cases import encrypted
from bench.cases import growth
from bench.cases import imports
from bench.cases import lifecycle
from bench.cases import scaling
from bench.cases import storm
from bench import lab
from bench import results
from bench import scale

Case = Callable[[lab.Lab], Iterator[results.Result]]

# What is measured unless cases are named.
ALL: dict[str, Case] = {
    'direct-clone': clones.direct,
    'clones': functools.partial(
        clones.of_volumes, which=('cached', 'cinder', 'volume')),
    'cached-clone-cold': clones.cold,
    'children': scaling.children,
    'depth-limit': chains.depth_limit,
    'full-copy': chains.full_copy,
    'import-raw': imports.raw,
    'import-qcow2': imports.qcow2,
    'import-qcow2-in-cluster': imports.qcow2_in_cluster,
    'import-luks': imports.luks,
    'import-memory': imports.memory,
    'encrypted-clone': encrypted.warm,
    'encrypted-clone-cold': encrypted.cold,
    'concurrent-cached': concurrency.cached,
    'concurrent-uncached': concurrency.uncached,
    'blank': lifecycle.blank,
    'balanced-reads': balance.balanced_reads,
    'end-to-end': cloud.end_to_end,
    # It takes longest, and readers could do without it first.
    'growth': growth.growth,
}

CASES: dict[str, Case] = ALL | {
    f'{kind}-clone': functools.partial(clones.of_volumes, which=(kind,))
    for kind in clones.TITLES} | {
    f'growth-{count}': functools.partial(growth.growth, counts=(count,))
    for count in scale.FULL.pool} | {'storm': storm.storm}

# Those in which somebody connects: programs of their own, or on purpose.
CONNECTING = ('cached-clone-cold', 'import-qcow2', 'import-qcow2-in-cluster',
              'import-luks', 'encrypted-clone', 'encrypted-clone-step-one',
              'encrypted-clone-cold', 'encrypted-clone-cold-step-one')
