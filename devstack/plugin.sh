#!/bin/bash
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
#
# DevStack sources this with a mode and, for "stack", a phase.

case "$1 ${2:-}" in
    "stack pre-install")
        # Ceph has to run before anything is configured to use it.
        echo_summary "rbd-imgdriver: Ceph"
        install_rbd_imgdriver_packages
        if [[ "$RBD_IMGDRIVER_REMOTE_CEPH" == False ]]; then
            start_rbd_imgdriver_ceph
            create_rbd_imgdriver_pools
            create_rbd_imgdriver_users
        fi
        check_rbd_imgdriver_access
        ;;
    "stack install")
        # Cinder is there; it must not be fetched a second time.
        echo_summary "rbd-imgdriver: installing the driver"
        install_rbd_imgdriver
        ;;
    "stack post-config")
        # DevStack has called configure_cinder_backend_rbd_imgdriver and
        # configure_cinder_backup_ceph (lib/cinder) long before.
        echo_summary "rbd-imgdriver: configuring Glance and Nova"
        configure_rbd_imgdriver_glance
        configure_rbd_imgdriver_nova
        ;;
    "stack test-config")
        configure_rbd_imgdriver_tempest
        ;;
    "unstack " | "clean ")
        # unstack.sh calls its plugins before it stops services, and a
        # service whose storage has gone takes minutes to stop.
        stop_rbd_imgdriver_clients
        remove_rbd_imgdriver_secret
        if [[ "$RBD_IMGDRIVER_REMOTE_CEPH" == False ]]; then
            remove_rbd_imgdriver_ceph
        fi
        if [[ "$1" == clean ]]; then
            echo_summary "rbd-imgdriver: the packages of Ceph and qemu stay, \
and with ceph-base the service ceph-crash"
        fi
        ;;
esac
