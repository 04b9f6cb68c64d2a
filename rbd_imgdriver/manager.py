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
"""Cinder's volume manager, which also clones images for encrypted volumes.

``volume_manager = rbd_imgdriver.manager.VolumeManager`` in cinder.conf's
``[DEFAULT]``.  Cinder's own downloads an image before it asks a driver for an
encrypted volume of it (``_create_from_image`` in cinder/volume/flows/manager/
create_volume.py calls ``clone_image`` for other volumes only).  This one asks
first, if the driver has the capability, and changes nothing else: other
drivers, other volumes and images that are encrypted themselves take Cinder's
way, and so do all volumes when Cinder's code is not what this is made for.
"""

from collections.abc import Callable
import functools
import inspect
from typing import Any

from cinder.image import image_utils
from cinder.volume.flows.manager import create_volume
from cinder.volume import manager as cinder_manager
from oslo_log import log as logging

from rbd_imgdriver import driver_images

LOG = logging.getLogger(__name__)

# What is replaced and called of Cinder's task, with the names of the
# parameters, as they are in Cinder 26 to 29.
_REPLACED = '_create_from_image'
_SIGNATURES = {
    _REPLACED: ('self', 'context', 'volume', 'image_location', 'image_id',
                'image_meta', 'image_service', 'kwargs'),
    '_handle_bootable_volume_glance_meta': (
        'self', 'context', 'volume', 'kwargs'),
}

Update = dict[str, Any] | None


class VolumeManager(cinder_manager.VolumeManager):
    """Cinder's, whose flow that makes volumes asks the driver first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        install(create_volume.CreateVolumeFromSpecTask)


def install(task: type) -> None:
    """Let Cinder's task ask the driver to clone for encrypted volumes, too.

    The flow offers no place for a task of our own, and Cinder's cannot have
    a subclass of its name (it calls ``super()`` by that name), so its method
    is replaced, in the processes that have this manager only.
    """
    cinders = getattr(task, _REPLACED, None)
    if hasattr(cinders, 'asks_for_encrypted'):
        return
    found = differences(task)
    if found or cinders is None:
        LOG.warning(
            'rbd_imgdriver does not know this release of Cinder, which '
            'therefore downloads images for encrypted volumes, as with its '
            'own volume manager: %s', '; '.join(found))
        return
    setattr(task, _REPLACED, asking_first(cinders))


def differences(task: type) -> list[str]:
    """Where Cinder's task is not what this module is made for."""
    found = []
    for name, expected in _SIGNATURES.items():
        method = getattr(task, name, None)
        if method is None:
            found.append(f'{task.__name__} has no {name}')
            continue
        names = tuple(inspect.signature(method).parameters)
        if names != expected:
            found.append(f'{task.__name__}.{name} takes {", ".join(names)}')
    return found


def asking_first(cinders: Callable[..., Update]) -> Callable[..., Update]:
    """Cinder's ``_create_from_image``, after a question to the driver.

    What Cinder does before it asks a driver for other volumes, and what it
    does after a clone, is done here as well.
    """
    @functools.wraps(cinders)
    def create(self: Any, context: Any, volume: Any, image_location: Any,
               image_id: str, image_meta: dict[str, Any], image_service: Any,
               **kwargs: Any) -> Update:
        if _may_clone(self.driver, volume, image_meta):
            virtual_size = image_meta.get('virtual_size')
            if virtual_size:
                image_utils.check_virtual_size(virtual_size, volume.size,
                                               image_id)
            update: Update
            update, cloned = self.driver.clone_image(
                context, volume, image_location, image_meta, image_service)
            if cloned:
                self._handle_bootable_volume_glance_meta(
                    context, volume, image_id=image_id, image_meta=image_meta)
                return update
        return cinders(self, context, volume, image_location, image_id,
                       image_meta, image_service, **kwargs)

    create.asks_for_encrypted = True  # type: ignore[attr-defined]
    return create


def _may_clone(driver: Any, volume: Any, image_meta: dict[str, Any]) -> bool:
    """Whether Cinder would download what the driver need not have.

    The data of an image with a key of its own is encrypted already, and
    Cinder copies it as it is.
    """
    return bool(volume.encryption_key_id is not None
                and not image_meta.get('cinder_encryption_key_id')
                and driver.capabilities.get(driver_images.CLONES_ENCRYPTED))
