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
"""Looks up volumes in Cinder's database."""

from collections.abc import Iterator
from collections.abc import Set
import contextlib
from typing import Any

from cinder import context
from cinder import exception
from cinder import objects
from oslo_db import exception as db_exception
from sqlalchemy import exc as sqlalchemy_exc

from rbd_imgdriver.chain import ownership
from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver.openstack import service_user

try:
    from cinder.db import api as db
    from cinder.db import models
except ImportError:  # before Cinder 29
    from cinder.db.sqlalchemy import api as db
    from cinder.db.sqlalchemy import models


class CinderVolumes:
    """Finds the Cinder volumes that back images."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def image_volume(self, volume_id: str) -> model.ImageVolume | None:
        """The volume, or None when Cinder has none of that id.

        :raises rbd_imgdriver.errors.ServiceError: when there is no database
        """
        services = service_user.projects()
        with _database(), db.main_context_manager.reader.using(
                self._context.elevated()) as session:
            return _image_volume(session, volume_id, services)


def all_volumes() -> CinderVolumes:
    """Cinder's volumes, whoever asks."""
    return CinderVolumes(context.get_admin_context())


def volume_status(volume_id: str) -> str | None:
    """The status of a volume in Cinder's database.

    A volume that was migrated while attached is in the cluster under its
    ``name_id``; it is found by that, too.

    :returns: ``deleted`` when only the record of a deleted one is left; None
        when there is none, for example since ``cinder-manage db purge``

    :raises rbd_imgdriver.errors.ServiceError: when there is no database
    """
    admin = context.get_admin_context()
    with _database():
        for key in ('id', '_name_id'):
            found = objects.VolumeList.get_all(admin,
                                               filters={key: volume_id})
            if found:
                return str(found[0].status)
        try:
            deleted = context.get_admin_context(read_deleted='only')
            objects.Volume.get_by_id(deleted, volume_id)
        except exception.VolumeNotFound:
            return None
    return ownership.DELETED


def called(name: str) -> list[str]:
    """The ids, as in the names of RBD images, of volumes that Cinder has.

    :param name: their name in Cinder, or the id of one that was migrated
        while attached
    :raises rbd_imgdriver.errors.ServiceError: when there is no database
    """
    admin = context.get_admin_context()
    with _database():
        return [str(one.name_id) for key in ('id', 'display_name')
                for one in objects.VolumeList.get_all(admin,
                                                      filters={key: name})]


def _image_volume(session: Any, volume_id: str,
                  services: Set[str]) -> model.ImageVolume | None:
    """A volume with the marks that Glance and Cinder give image volumes.

    The metadata is that of ``add`` in glance_store/_drivers/cinder/store.py
    and of ``_clone_image_volume_and_add_location`` in cinder/volume/
    manager.py.  Both make the volume read-only.

    All of it may change at any time, so it is read for every create; but
    only the rows that say it, in one transaction: Cinder's volume object
    joins eight tables and takes half as long again (3.4 ms of CPU, not 2.2).

    :param services: projects whose volumes no tenant owns
    """
    volume = session.query(models.Volume).filter_by(
        id=volume_id, deleted=False).one_or_none()
    if volume is None:
        return None
    marks = _pairs(session, models.VolumeMetadata, volume_id)
    set_by_cinder = _pairs(session, models.VolumeAdminMetadata, volume_id)
    return model.ImageVolume(
        id=str(volume.id), name=str(volume.name),
        project_id=volume.project_id,
        of_service=volume.project_id in services,
        image_id=marks.get('glance_image_id'),
        image_owner=marks.get('image_owner'),
        read_only=set_by_cinder.get('readonly') == 'True',
        encrypted=bool(volume.encryption_key_id))


def _pairs(session: Any, table: Any, volume_id: str) -> dict[str, str]:
    """The metadata that a table has of a volume."""
    return {str(key): str(value) for key, value in
            session.query(table.key, table.value).filter_by(
                volume_id=volume_id, deleted=False)}


@contextlib.contextmanager
def _database() -> Iterator[None]:
    try:
        yield
    except (db_exception.DBError, sqlalchemy_exc.SQLAlchemyError,
            ImportError) as error:
        raise errors.ServiceError(
            f"Cinder's database cannot be read: {error}; see [database] "
            'connection in cinder.conf') from error
