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
"""Which images are to be in the cache before anybody asks for them.

Pure: from what Glance offers and what the cache has to what is to be done.
Nobody has to be the first to pay for an import: operators mark images, the
newest of each family are fetched as soon as Glance has them, and kept.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import re

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver import model

# Seconds without a use after which nothing new uses an older image.
QUIET = 24 * 3600.0

# Why an image is not there yet; stable, for ``cache list``.
REASONS = {
    'clonable': "its volumes are clones of Glance's own snapshot",
    'over-budget': 'it does not fit into rbd_imgdriver_prefetch_max_size_gb',
    'size-unknown': 'Glance does not say how large its disk is (virtual_size, '
                    'min_disk)',
    'importing': 'somebody is importing it now',
    'next': 'it is fetched next',
    'paused': 'prefetching is paused',
}

# Who may see an image is decided by an administrator ("public") or by its
# owner; a tag or a property always by its owner.
_PUBLIC = 'public'
_VISIBILITY, _OWNER, _TAG = 'visibility', 'owner', 'tag'


class BadMark(ValueError):
    """A mark that nothing can be marked with, or anybody could."""


@dataclasses.dataclass(frozen=True)
class Offer:
    """An image that is marked.

    :param created: when it came into Glance; orders a family
    :param min_disk: GiB that a volume from it needs; 0 if Glance does not say
    :param properties: of the image, besides those that every image has
    """

    image: model.Image
    created: str
    min_disk: int = 0
    properties: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def golden(self) -> str:
        """The name of its golden image."""
        return names.golden(self.image)

    @property
    def disk(self) -> int | None:
        """Bytes of its disk in whole GiB; None when that is not known."""
        known = self.image.minimal_size or self.min_disk * model.GIB
        return model.whole_gib(known) if known else None


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the operator decided.

    :param filters: for Glance's list of images, one for each mark
    :param keep: how many images of each family, the newest ones
    :param family: names of the properties whose values name a family
    :param pattern: of names; its first group, or all of it, names a family
        instead
    :param budget: bytes that all may take together; 0 for no limit
    """

    filters: tuple[Mapping[str, str], ...]
    keep: int = 1
    family: tuple[str, ...] = ('os_distro', 'os_version')
    pattern: re.Pattern[str] | None = None
    budget: int = 0

    def family_of(self, offer: Offer) -> tuple[str, ...]:
        """What is the same for all images of a family.

        An image that does not say is a family of its own.
        """
        alone = (offer.image.id,)
        if self.pattern is not None:
            found = self.pattern.search(offer.image.name)
            if found is None:
                return alone
            first = found[1] if self.pattern.groups else None
            return (first or found[0],)
        values = tuple(offer.properties.get(name, '') for name in self.family)
        return values if values and all(values) else alone


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be done.

    :param fetch: into the cache, in this order
    :param hold: names of entries that are there, and are to be held now
    :param release: names of entries that need no longer be held
    :param waiting: images that are not there yet, with a code of
        :data:`REASONS` or why the last try failed
    """

    fetch: tuple[Offer, ...] = ()
    hold: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    waiting: tuple[tuple[Offer, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the cache has now.

    :param entries: of the cache
    :param obstacles: why an image cannot be fetched now, by its golden name
    :param now: seconds since the epoch
    """

    entries: Collection[entry.Entry]
    obstacles: Mapping[str, str]
    now: float


def mark(text: str) -> dict[str, str]:
    """The filters for Glance's list that a mark stands for.

    :param text: ``key=value``, or several of them with ``+`` between; a key
        is ``tag``, ``owner``, ``visibility`` or the name of a property.
        Without an owner only public images count: all tenants can give
        their own images any tag, and would fill the cache with them.
    :raises BadMark: when it is not a mark
    """
    found: dict[str, str] = {}
    for part in text.split('+'):
        key, equals, value = (word.strip() for word in part.partition('='))
        if not (key and equals and value) or key in found:
            raise BadMark(f'{text!r} is not key=value, or several with "+"')
        found[key] = value
    if _OWNER not in found and found.setdefault(
            _VISIBILITY, _PUBLIC) != _PUBLIC:
        raise BadMark(f'{text!r} names no owner: anybody could mark images')
    return found


def plan(offers: Iterable[Offer], seen: Seen, rules: Rules,
         clonable: Callable[[model.Image], bool]) -> Plan:
    """Decide.

    :param offers: the marked images of Glance, all of them
    :param clonable: whether volumes of an image are clones without a cache
    """
    families = _families(offers, rules)
    wanted = {one.golden: one for family in families
              for one in family[:rules.keep]}
    have = {one.name: one for one in seen.entries if not one.encrypted}
    fetch: list[Offer] = []
    waiting: list[tuple[Offer, str]] = []
    room = rules.budget - sum(one.size for one in have.values()
                              if one.name in wanted)
    for name, offer in wanted.items():
        if name in have:
            continue
        reason = ('clonable' if clonable(offer.image)
                  else seen.obstacles.get(name)
                  or _misfit(offer, room, rules))
        if reason:
            waiting.append((offer, reason))
        else:
            room -= offer.disk or 0
            fetch.append(offer)
    needed = set(wanted) | _still_used(families, have, seen.now, rules)
    return Plan(
        tuple(fetch),
        tuple(name for name in wanted if name in have and not have[name].held),
        tuple(sorted(name for name, one in have.items()
                     if one.held and name not in needed)),
        tuple(waiting))


def _families(offers: Iterable[Offer], rules: Rules) -> list[list[Offer]]:
    """The images by family, the newest first, and the newest families."""
    found: dict[tuple[str, ...], dict[str, Offer]] = {}
    for one in sorted(offers, key=lambda one: (one.created, one.image.id),
                      reverse=True):
        found.setdefault(rules.family_of(one), {}).setdefault(one.image.id,
                                                              one)
    return [list(family.values()) for family in found.values()]


def _misfit(offer: Offer, room: int, rules: Rules) -> str:
    """Why an image cannot come; '' if it can."""
    if offer.disk is None:
        return 'size-unknown'
    if rules.budget and offer.disk > room:
        return 'over-budget'
    return ''


def _still_used(families: list[list[Offer]], have: Mapping[str, entry.Entry],
                now: float, rules: Rules) -> set[str]:
    """Older images of families whose successors are not there, or unused."""
    found = set()
    for family in families:
        newest = [have.get(one.golden) for one in family[:rules.keep]]
        ready = [one.created for one in newest if one is not None]
        for offer in family[rules.keep:]:
            old = have.get(offer.golden)
            if old is not None and (
                    len(ready) < len(newest)
                    or _is_in_use(old, max(ready), now)):
                found.add(old.name)
    return found


def _is_in_use(old: entry.Entry, since: float, now: float) -> bool:
    """Whether volumes are still made from an image with a successor."""
    return old.last_used > since and now - old.last_used < QUIET
