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

"""What Cinder and the user get for our errors."""

from cinder import exception
import pytest

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import errors
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.openstack import errors as cinder_errors


@pytest.mark.parametrize(('ours', 'theirs'), [
    (errors.ImageGone('id', 'gone'), exception.ImageNotFound),
    (errors.ImageTooLarge('id', 'large'), exception.ImageUnacceptable),
    (errors.NoSpace('id', 'full'), exception.VolumeBackendAPIException),
    (ceph_errors.TimedOut('late'), exception.VolumeBackendAPIException),
    (ceph_errors.ImageBusy('open'), exception.VolumeBackendAPIException),
    (confined.Failed('cryptsetup'), exception.VolumeBackendAPIException),
])
def test_each_error_becomes_one_of_cinder(ours, theirs):
    with pytest.raises(theirs) as raised, cinder_errors.translated():
        raise ours
    assert raised.value.__cause__ is ours


def test_the_log_says_what_was_left_behind(caplog):
    ours = ceph_errors.TimedOut('late')
    ours.add_note('left behind: image volume-x (late)')
    with pytest.raises(exception.VolumeBackendAPIException), \
            cinder_errors.translated():
        raise ours
    assert caplog.messages == ['late; left behind: image volume-x (late)']


def test_an_exception_of_cinder_passes():
    with pytest.raises(exception.VolumeIsBusy), cinder_errors.translated():
        raise exception.VolumeIsBusy(volume_name='volume-x')


def test_a_fault_of_ours_is_not_hidden():
    with pytest.raises(KeyError), cinder_errors.translated():
        raise KeyError('volume')
