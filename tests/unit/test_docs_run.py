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
"""The commands that the documentation prints are run, or it says why not."""

import pytest

from tools import docs_run

PAGE = '''\
Once, as root:

.. run: sandbox

.. code-block:: console

   rbd-imgdriver-manage doctor
   rbd-imgdriver-manage volume explain <its id>

#. Then::

      make demo

.. not run: an example

::

   ceph -s

The file is::

   [global]
'''


@pytest.mark.parametrize('page', docs_run.pages(), ids=lambda page: page.name)
def test_each_block_is_marked(page):
    for block in docs_run.blocks(page.name, page.read_text()):
        assert block.where in ('checkout', 'sandbox') or block.why, (
            f'{block.page}:{block.line} has no mark: {block.text}')


def test_blocks_of_a_page():
    first, second, third = docs_run.blocks('page', PAGE)

    assert first.where == 'sandbox'
    assert first.text.startswith('rbd-imgdriver-manage doctor\n')
    assert (second.text, second.where, second.why) == ('make demo', '', None)
    assert (third.text, third.where, third.why) == (
        'ceph -s', '', 'an example')


def test_what_is_run():
    block, *_ = docs_run.blocks('page', PAGE)

    assert docs_run.script(block, 'I', 'V').splitlines() == [
        'set -e', *docs_run.SANDBOX,
        'rbd-imgdriver-manage doctor --timeout 100 || [ $? = 6 ]',
        'rbd-imgdriver-manage volume explain V']


def test_a_command_that_fails_fails():
    with pytest.raises(SystemExit, match='ended with 3'):
        docs_run.run('set -e\n(exit 3)\ntrue')
