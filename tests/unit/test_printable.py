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
"""What a tenant writes into a name gives no orders to a terminal or log."""

import io
import logging

import pytest

from rbd_imgdriver.cache import prefetch
from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import wish as wishes
from rbd_imgdriver.cmd import output
from rbd_imgdriver import errors
from rbd_imgdriver import locations
from rbd_imgdriver import model
from rbd_imgdriver import printable
from rbd_imgdriver import provision
from tests.contract import fake_pool

HOSTILE = ('\x1b[2J\x1b]0;pwned\x07\x1b[32mall ok\x1b[0m\n'
           '0000  FORGED-ROW  ready\r\u202egnp\u2028\x9b1m')


def harmless(text: str, lines: int = 1) -> bool:
    return (text.count('\n') < lines
            and text.replace('\n', '').isprintable())


def test_one_line():
    assert harmless(printable.one_line(HOSTILE))
    assert printable.one_line('a\nb\x1b[0m') == r'a\nb\x1b[0m'


@pytest.mark.parametrize('text', ['Ubuntu 24.04', 'ümläut ☃', '日本語',
                                  r'a\b'])
def test_what_people_write_stays(text):
    assert printable.one_line(text) == text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_progress_bar_has_one_line():
    stream = Terminal()
    output.Progress(HOSTILE, stream).show(1, 2)
    assert harmless(stream.getvalue().removeprefix('\r'))


def test_an_error_that_quotes_qemu_or_a_server():
    error = errors.ConversionFailed('id', f'qemu-img failed (1): {HOSTILE}')
    assert harmless(str(error))
    assert harmless(error.reason)


def test_a_location():
    url = 'rbd://f-s-i-d/images/%1B%5B2J%0Aforged/snap'
    location = locations.parse(url)
    assert harmless(str(location))


class NoRoom:
    def fill(self, wish):
        raise wishes.CacheUnusable('cache-full', 'no room')


class Marked:
    def __init__(self, image: model.Image) -> None:
        self._image = image

    def offers(self, filters):
        return [prefetch_plan.Offer(self._image, '2026')]

    def data(self, image):
        return None


def test_an_image_that_is_fetched_ahead(caplog):
    image = model.Image('id', HOSTILE, 'qcow2', 'bare', 1, model.GIB)
    store = cache_store.Store(fake_pool.FakePool())
    prefetcher = prefetch.Prefetcher(store, NoRoom(), prefetch_plan.Rules(
        ({'tag': 'golden'},)), lambda image: False)

    with caplog.at_level(logging.DEBUG):
        report = prefetcher.run(Marked(image), None)

    assert report.failed
    assert 'FORGED-ROW' in ''.join(caplog.messages)
    assert all(harmless(line) for line in caplog.messages)


class Declines:
    name = 'import'

    def attempt(self, request: model.Request) -> model.Declined:
        return model.Declined('no-volume', HOSTILE)


def test_a_reason_to_decline(caplog):
    request = model.Request(
        model.Image('id', name=HOSTILE), model.Target('v', 'volume-v', 1),
        None, None, None)
    with caplog.at_level(logging.DEBUG), \
            pytest.raises(provision.NoStrategy) as raised:
        provision.provision([Declines()], request)

    assert harmless(str(raised.value))
    assert caplog.messages
    assert all(harmless(line) for line in caplog.messages)
    assert harmless(request.after('x', model.Declined('y', HOSTILE)).record(
        'import')[model.DECLINED_KEY])
