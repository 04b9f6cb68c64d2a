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
"""The cascade: try one strategy after another, and keep the record."""

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import time

from oslo_log import log as logging

from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver import printable
from rbd_imgdriver import signals
from rbd_imgdriver.strategies import base

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one create went.

    :param strategy: the strategy that made the volume
    :param declined: (strategy, answer) of each one before it
    :param bytes_moved: bytes read from Glance or copied within the cluster
    :param seconds: wall time of the create
    :param parent: the snapshot the volume is a clone of, or ''
    """

    strategy: str
    declined: tuple[tuple[str, model.Declined], ...]
    bytes_moved: int
    seconds: float
    parent: str


class NoStrategy(errors.ImageError):
    """Every configured strategy declined."""

    code = 'no-strategy'


def provision(strategies: Sequence[base.Strategy], request: model.Request,
              clock: Callable[[], float] = time.monotonic) -> Outcome:
    """Make the volume with the first strategy that can.

    :raises rbd_imgdriver.errors.ImageError: when a strategy finds that none
        could, or when all declined (:class:`NoStrategy`)
    """
    started = clock()
    for strategy in strategies:
        try:
            answer = strategy.attempt(request)
        except errors.ImageError as error:
            signals.send(signals.VolumeFailed(error.code))
            raise
        if isinstance(answer, model.Created):
            outcome = Outcome(
                strategy=answer.strategy or strategy.name,
                declined=request.declined, bytes_moved=answer.bytes_moved,
                seconds=clock() - started, parent=answer.parent)
            _report(request, outcome)
            return outcome
        LOG.debug('Volume %(volume)s: %(strategy)s declined: %(reason)s',
                  {'volume': request.target.name, 'strategy': strategy.name,
                   'reason': printable.one_line(answer.reason)})
        request = request.after(strategy.name, answer)
    raise NoStrategy(request.image.id, model.describe(request.declined)
                     or 'no strategy is configured')


def _report(request: model.Request, outcome: Outcome) -> None:
    signals.send(signals.VolumeMade(
        outcome.strategy,
        tuple((name, answer.code) for name, answer in outcome.declined),
        outcome.bytes_moved, outcome.seconds))
    LOG.info('Volume %(volume)s made from image %(image)s by %(strategy)s in '
             '%(seconds).3f s, %(bytes)d bytes moved, parent %(parent)s; '
             'declined before: %(declined)s',
             {'volume': request.target.name, 'image': request.image.id,
              'strategy': outcome.strategy, 'seconds': outcome.seconds,
              'bytes': outcome.bytes_moved, 'parent': outcome.parent or '-',
              'declined': model.describe(outcome.declined) or '-'})
