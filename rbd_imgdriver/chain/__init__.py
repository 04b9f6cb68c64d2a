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
"""Clone chains: how deep they get, how they are cut, how they are taken down.

Two rules keep every reader's data:

* Only an image without any snapshot is flattened.  It has no children, and
  nobody can have opened a snapshot of it.  A client that has a *child* of a
  flattened image open, or a snapshot of it, goes on asking the old parent,
  and reads zeroes once that is gone (https://tracker.ceph.com/issues/70143);
  read-only clients cannot even be seen.
* Deletion never flattens.  What clones still need moves out of sight and is
  freed with the last of them.
"""
