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
"""Glance as Cinder's service user sees it, without a user's request.

With the credentials of :mod:`rbd_imgdriver.openstack.service_user`.
"""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
from typing import Any

from cinder import context
from cinder import exception
from cinder.image import glance
from glanceclient import exc as glance_exc
from keystoneauth1 import exceptions as keystone_exc
from oslo_config import cfg
from oslo_log import log as logging

from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver.openstack import glance_data
from rbd_imgdriver.openstack import images as cinder_images
from rbd_imgdriver.openstack import service_user

LOG = logging.getLogger(__name__)
CONF = cfg.CONF


class GlanceError(errors.ServiceError):
    """Glance cannot be asked, or refuses."""


class ImageNotFound(GlanceError, errors.NotFound):
    """Glance has no such image."""


class ServiceGlance:
    """Looks up and reads images as the service.

    ``locations_forbidden`` says whether the locations API has refused us,
    ``locations_settable`` whether Glance runs with
    ``show_multiple_locations``, as far as :meth:`some` could see.
    """

    def __init__(self) -> None:
        self._client = _PrivilegedClient()
        self._images = glance.GlanceImageService(client=self._client)
        self.locations_forbidden = False
        self.locations_settable = False

    def image(self, wanted: str) -> model.Image:
        """One image with its locations, by id or by unambiguous name.

        :raises ImageNotFound: when there is none
        :raises GlanceError: when Glance does not answer
        """
        found = self._show(wanted)
        return cinder_images.image_of(
            found, (None, self.locations(found['id'])))

    def has(self, image_id: str) -> bool:
        """Whether Glance has the image of that id.

        :raises GlanceError: when Glance does not answer, or would hide
            images of others from us
        """
        with _errors(image_id):
            try:
                self._client.call(_context(), 'get', image_id)
            except glance_exc.HTTPNotFound as error:
                if self.sees_all():
                    return False
                raise GlanceError(
                    'Glance may be hiding the image: the user in the section '
                    '[glance] of cinder.conf is not an administrator of '
                    'Glance; give that user the role admin') from error
        return True

    def sees_all(self) -> bool:
        """Whether Glance hides no image from us.

        It answers 404 for an image that one may not see as for one that it
        does not have.  Its administrators see all (``context_is_admin``,
        glance/db/sqlalchemy/api.py ``is_image_visible``).  Whether a user is
        one shows in what only they may ask for: the list of tasks
        (``tasks_api_access``, glance/policies/tasks.py).

        :raises GlanceError: when Glance does not answer
        """
        with _errors('tasks'):
            try:
                self._client.call(_context(), 'get', '/v2/tasks?limit=1',
                                  controller='http_client')
            except (glance_exc.HTTPForbidden, glance_exc.HTTPNotFound):
                return False
        return True

    def some(self, limit: int) -> list[model.Image]:
        """Some active images with their locations, the newest first.

        :raises GlanceError: when Glance does not answer
        """
        with _errors('list'):
            listed = self._images.detail(
                _context(), filters={'status': 'active'}, limit=limit)
        # The key is there whenever the option is set, even if it is empty.
        self.locations_settable = any('locations' in one for one in listed)
        return [cinder_images.image_of(one, (None, self.locations(one['id'])))
                for one in listed[:limit]]

    def offers(self, filters: Iterable[Mapping[str, str]],
               ) -> list[prefetch_plan.Offer]:
        """The active images that one of the filters finds.

        With the locations of each, which take a request.

        :param filters: as Glance's list of images takes them
        :raises GlanceError: when Glance does not answer
        """
        found: dict[str, dict[str, Any]] = {}
        for one in filters:
            wanted: dict[str, Any] = {'status': 'active', **one}
            if 'tag' in wanted:
                wanted['tag'] = [wanted['tag']]
            with _errors('list'):
                found |= {image['id']: image for image in
                          self._images.detail(_context(), filters=wanted)}
        return [prefetch_plan.Offer(
            cinder_images.image_of(one, (None, self.locations(one['id']))),
            cinder_images.iso(one.get('created_at')),
            int(one.get('min_disk') or 0),
            {key: str(value) for key, value in
             (one.get('properties') or {}).items()})
            for one in found.values()]

    def min_disk(self, image_id: str) -> int:
        """The GiB that Glance says a volume of the image needs; 0 if none."""
        return int(self._show(image_id).get('min_disk') or 0)

    def data(self, image: model.Image) -> model.ImageData:
        """An image's bytes."""
        return glance_data.GlanceData(_context(), self._images, image.id)

    def locations(self, image_id: str) -> list[dict[str, Any]]:
        """Where Glance keeps an image's data, as far as it reports it.

        First by the locations API, then as the image's own property, which
        needs ``show_image_direct_url``.
        """
        with _errors(image_id):
            listed: list[dict[str, Any]] = []
            try:
                listed = list(self._client.call(
                    _context(), 'get_image_locations', image_id))
            except glance_exc.HTTPForbidden:
                self.locations_forbidden = True
            except (glance_exc.HTTPNotImplemented, glance_exc.HTTPNotFound):
                pass  # Glance before 2024.2, or no location at all
            if listed:
                return listed
            shown = self._client.call(_context(), 'get', image_id)
        direct = shown.get('direct_url')
        return [*([{'url': direct}] if direct else []),
                *(shown.get('locations') or [])]

    def _show(self, wanted: str) -> dict[str, Any]:
        with _errors(wanted):
            try:
                return dict(self._images.show(_context(), wanted))
            except exception.ImageNotFound:
                named = self._images.detail(_context(),
                                            filters={'name': wanted})
        if not named:
            raise ImageNotFound(f'Glance has no image {wanted}')
        if len(named) > 1:
            ids = ', '.join(sorted(one['id'] for one in named))
            raise GlanceError(f'several images are called {wanted}: {ids}')
        return dict(named[0])


def in_glance(image_id: str) -> bool:
    """Whether Glance has the image, for a caller that drops what it has not.

    When Glance does not say, the answer is yes.
    """
    try:
        return ServiceGlance().has(image_id)
    except GlanceError as error:
        LOG.warning('Glance does not say whether it has image %(image)s: '
                    '%(error)s', {'image': image_id, 'error': error})
        return True


class _PrivilegedClient(glance.GlanceClientWrapper):  # type: ignore[misc]
    """Makes every call as the service."""

    def call(self, context: Any, method: str, *args: Any,
             **kwargs: Any) -> Any:
        if service_user.KNOWN_TO_CINDER:
            kwargs['privileged_user'] = True
        elif CONF.auth_strategy == 'keystone':
            auth = _auth()
            context.auth_token = auth.get_token(service_user.session(auth))
        return super().call(context, method, *args, **kwargs)


def _context() -> Any:
    """Nobody's request, with the catalog if Glance has to be looked up."""
    made = context.get_admin_context()
    if CONF.glance_api_servers is None and CONF.auth_strategy == 'keystone':
        made.service_catalog = _catalog()
    return made


def _catalog() -> list[dict[str, Any]]:
    """Keystone's catalog in the form that Cinder's middleware gives it."""
    auth = _auth()
    access = auth.get_access(service_user.session(auth))
    return [
        {'type': service['type'], 'name': service.get('name', ''),
         'endpoints': _endpoints(service['endpoints'])}
        for service in access.service_catalog.catalog]


def _auth() -> Any:
    auth = service_user.auth()
    if auth is None:
        raise GlanceError(
            'cinder.conf has no credentials in its [glance] section '
            '(auth_type and what belongs to it)')
    return auth


def _endpoints(listed: list[dict[str, Any]]) -> list[dict[str, str]]:
    by_region: dict[str, dict[str, str]] = {}
    for one in listed:
        region = one.get('region') or one.get('region_id') or ''
        entry = by_region.setdefault(region, {'region': region})
        entry[one['interface'] + 'URL'] = one['url']
    return list(by_region.values())


@contextlib.contextmanager
def _errors(wanted: str) -> Iterator[None]:
    try:
        yield
    except (exception.ImageNotFound, glance_exc.HTTPNotFound) as error:
        raise ImageNotFound(f'Glance has no image {wanted}') from error
    except (glance_exc.HTTPUnauthorized, glance_exc.HTTPForbidden,
            exception.ImageNotAuthorized,
            keystone_exc.ClientException) as error:
        raise GlanceError(
            f'Glance refuses the credentials of the [glance] section of '
            f'cinder.conf: {error}') from error
    except (glance_exc.BaseException, glance_exc.ClientException,
            exception.CinderException) as error:
        raise GlanceError(f'Glance does not answer: {error}') from error
