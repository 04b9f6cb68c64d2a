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
"""Turns what Cinder says of images and wanted volumes into our values."""

import hashlib
import json
from typing import Any

from oslo_config import cfg

from rbd_imgdriver import locations
from rbd_imgdriver import model

CONF = cfg.CONF

# The properties that make an image a signed one, as for Cinder's
# verify_glance_image_signature (cinder/image/image_utils.py).
SIGNATURE = ('img_signature', 'img_signature_hash_method',
             'img_signature_certificate_uuid', 'img_signature_key_type')


def image_of(image_meta: dict[str, Any], image_location: Any) -> model.Image:
    """What Cinder says of an image, as our value.

    :param image_meta: as ``GlanceImageService.show`` returns it
    :param image_location: (direct_url, locations) or None; either part may
        be None, and so may the URL of a location
    """
    direct_url, listed = image_location or (None, None)
    urls = [direct_url]
    for entry in listed or []:
        urls.append(entry.get('url'))
    extra = image_meta.get('properties') or {}

    def fact(name: str) -> Any:
        return image_meta.get(name) or extra.get(name)

    return model.Image(
        id=str(image_meta['id']),
        name=image_meta.get('name') or '',
        disk_format=(image_meta.get('disk_format') or '').lower(),
        container_format=(image_meta.get('container_format') or '').lower(),
        size=image_meta.get('size'),
        virtual_size=image_meta.get('virtual_size'),
        owner=image_meta.get('owner'),
        public=image_meta.get('visibility') == 'public',
        hash_algo=fact('os_hash_algo'),
        hash_value=fact('os_hash_value'),
        checksum=image_meta.get('checksum'),
        updated_at=iso(image_meta.get('updated_at')),
        signature=required_signature(image_meta),
        locations=locations.unique(urls))


def required_signature(image_meta: dict[str, Any]) -> str:
    """What identifies the signature that the image's data has to fit.

    :returns: a digest of its parts, of which some may be missing; '' when
        the image has none at all, or the operator asks for none
    """
    properties = image_meta.get('properties') or {}
    parts = {name: properties[name] for name in SIGNATURE
             if properties.get(name)}
    if not parts or CONF.verify_glance_signatures == 'disabled':
        return ''
    return hashlib.sha256(
        json.dumps(parts, sort_keys=True).encode()).hexdigest()


def target_of(volume: Any, replicated: bool) -> model.Target:
    """The volume that Cinder wants, as our value."""
    return model.Target(
        volume_id=str(volume.id), name=str(volume.name),
        size=int(volume.size) * model.GIB, project_id=volume.project_id,
        replicated=replicated)


def iso(when: Any) -> str:
    """A time of Glance's as text, also one that Cinder has parsed."""
    return when.isoformat() if hasattr(when, 'isoformat') else str(when or '')
