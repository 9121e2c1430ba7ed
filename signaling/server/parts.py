"""Parts: whoever answers requests beyond one Space, made and introduced to each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from signaling.config import ServerConfig
from signaling.pay import Provider
from signaling.protocol import messages as wire
from signaling.rules.sale import Sale
from signaling.server.admission import Admission
from signaling.server.announcer import Announcer
from signaling.server.answers import Attendant, Part
from signaling.server.box_office import BoxOffice
from signaling.server.delivery import Delivery
from signaling.server.directory import Directory
from signaling.server.evictions import Evictions
from signaling.server.finding import Finding
from signaling.server.following import Following
from signaling.server.hall import Hall
from signaling.server.hosting import Hosting, gates_of
from signaling.server.notices import Notices
from signaling.server.opening import Openings
from signaling.server.places import Locate, Places
from signaling.server.planning import Planning
from signaling.server.presence import Presence
from signaling.server.relations import Relations
from signaling.server.selling_only import SellingOnly
from signaling.server.services import Services
from signaling.server.surroundings import Surroundings
from signaling.server.timeline import Timeline
from signaling.store import Store

__all__ = ["Parts"]


class Parts:
    """What the front desk looks its requests up in, and whom it tells who comes and goes.

    Made before the first Space opens; `await planning.restore()` and `await box_office.open()` before the
    first request.
    """

    def __init__(
        self,
        config: ServerConfig,
        store: Store,
        directory: Directory,
        around: Surroundings,
        relations: Relations,
        *,
        make_hall: Callable[[bytes], Hall],
        announcer: Announcer,
        provider: Provider,
        locate: Locate | None = None,
    ) -> None:
        people = config.people
        self.places = Places(locate, around.counts)
        self.presence = Presence()
        self.hosting = Hosting(gates_of(config), relations, store, around.wall_us)
        self.openings = Openings(directory, around, self.hosting, make_hall=make_hall)
        self.services = Services(self.openings, self.hosting, store)
        self.timeline = Timeline(directory, relations, around, people)
        evictions = Evictions(directory)
        self.following = Following(
            store, around, relations, self.presence, people, listeners=(relations, evictions, self.timeline)
        )
        self.notices = Notices(store, relations, self.presence, around)
        self.planning = Planning(
            store,
            relations,
            around,
            self.openings,
            self.notices,
            announcer=announcer,
            most=people.plans,
            sale_limits=config.sale_limits,
        )
        self.finding = Finding(directory, relations, store, around, self.places)
        self.lists = around.lists
        self._is_shared = config.store.shared
        self.box_office = BoxOffice(config, store, provider, directory, relations, self.presence, around)
        self.admission = Admission(directory, around, self.box_office.till.remove_holder)
        till = self.box_office.till
        self.delivery = Delivery(store, around, config.sale_limits, till.space_over)
        self.planning.on_started = self.delivery.follow
        self.planning.on_cancelled = self.delivery.over
        self.box_office.on_sale = self.planning.put_on_sale
        self.box_office.news.on_ticket = self._ticket_changed
        around.observers.append(self.delivery)
        around.observers.append(self.admission)
        around.observers.append(directory)
        around.observers.append(self.following)
        around.observers.append(self.timeline)

    @property
    def table(self) -> tuple[Part, ...]:
        """Who carries out which requests."""
        if self._is_shared:
            own = (self.openings, self.services, self.following, self.timeline, self.planning, self.lists)
            return (SellingOnly(own, kept=(wire.ListPlanned,)), self.finding, self.box_office)
        return (
            self.openings,
            self.services,
            self.finding,
            self.following,
            self.timeline,
            self.planning,
            self.box_office,
            self.lists,
        )

    @property
    def attendants(self) -> tuple[Attendant, ...]:
        """Whom to tell who comes and goes, in this order."""
        if self._is_shared:
            return (self.presence, self.box_office.news)
        return (self.presence, self.notices, self.timeline, self.box_office.news)

    def _ticket_changed(self, sale: Sale) -> None:
        self.admission.ticket_changed(sale)
        self.delivery.ticket_changed(sale)

    def gauges(self) -> Mapping[str, int]:
        """How many there are now."""
        return {
            "now_known_people": len(self.presence),
            "now_timelines": len(self.timeline),
            "now_planned": len(self.planning),
            "now_delivering": len(self.delivery),
        }
