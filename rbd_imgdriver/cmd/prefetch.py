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
"""``rbd-imgdriver-manage cache prefetch``: warm the cache."""

import argparse
from typing import Any

from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import wish as wishes
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import errors
from rbd_imgdriver import model

Exit = exits.Exit


class Prefetch(commands.Listing):
    """Import images into the cache before they are needed."""

    columns = (
        output.Column('image_id'),
        output.Column('image_name'),
        output.Column('name'),
        output.Column('result'),
        output.Column('bytes_moved', output.size),
        output.Column('reason'),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The images."""
        parser.add_argument('images', nargs='+', metavar='IMAGE',
                            help="the image's id or name in Glance")
        parser.add_argument(
            '--max-size', type=int, metavar='GIB',
            help='refuse an image whose disk is larger; needed only when '
            'Glance does not know how large the disk is')

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Import each, unless it is there."""
        session = self.session
        if session.backend.settings.cache is None:
            raise exits.CommandError(
                Exit.CONFIG, 'the cache is off: set '
                'image_volume_cache_enabled in the section '
                f'{session.name} of cinder.conf')
        images = [session.glance.image(wanted) for wanted in args.images]
        results = [_prefetch(args, session, image) for image in images]
        failed = sum(one['result'] == 'failed' for one in results)
        if failed:
            self.exit_code = (Exit.FAILED if failed == len(results)
                              else Exit.PARTIAL)
        return results


def _prefetch(args: argparse.Namespace, session: sessions.Session,
              image: model.Image) -> output.Record:
    backend = session.backend
    golden = names.golden(image)
    record: dict[str, Any] = {
        'image_id': image.id, 'image_name': image.name, 'name': golden}
    if backend.pool.directory.exists(golden):
        return {**record, 'result': 'present'}
    bar = output.Progress(image.name or image.id)
    wish = wishes.Wish(
        image, session.glance.data(image), _Nobody(),
        _limit(args, session, image), bar.show)
    try:
        filled = backend.filler.fill(wish)
    except (errors.ImageError, wishes.CacheUnusable) as error:
        return {**record, 'result': 'failed', 'code': error.code,
                'reason': str(error)}
    finally:
        bar.close()
    return {**record, 'bytes_moved': filled.bytes_moved,
            'result': 'imported' if filled.imported else 'present'}


def _limit(args: argparse.Namespace, session: sessions.Session,
           image: model.Image) -> int:
    """The bytes that the image's disk may have at most."""
    if args.max_size is not None:
        return int(args.max_size) * model.GIB
    known = image.minimal_size
    if known is None:
        known = session.glance.min_disk(image.id) * model.GIB
    if not known:
        raise exits.CommandError(
            Exit.USAGE, f'Glance does not know how large the disk in image '
            f'{image.id} is: use --max-size')
    return model.whole_gib(known)


class _Nobody:
    """Nobody is notified of what an operator does by hand."""

    def cache(self, action: str, image_id: str) -> None:
        """See :meth:`rbd_imgdriver.model.Events.cache`."""
