"""A server that knows a Space through effects only, as store, mixer, fan-out and clients do."""

from __future__ import annotations

from signaling.rules import (
    AbsenceOver,
    AskClosed,
    Asked,
    AudienceChanged,
    Audited,
    Banned,
    BlockedByHost,
    CameBack,
    Effect,
    Ended,
    Entered,
    HostChanged,
    InviteAdded,
    InviteClosed,
    Left,
    LinkAdded,
    LinkClosed,
    OnStage,
    Opened,
    Outcome,
    Overseen,
    Pin,
    Pinned,
    PinsChanged,
    PlaceGone,
    Posted,
    QueueChanged,
    Removed,
    Role,
    RoleChanged,
    SeatAdded,
    SeatChanged,
    SeatRemoved,
    Settings,
    SettingsChanged,
    SpaceState,
    Spoke,
    StageChanged,
    Unbanned,
    Unpinned,
    Waiting,
    WentAbsent,
)


class Server:
    """Every part asserts that an effect makes sense where it stands: nothing is removed that is not there."""

    def __init__(self) -> None:
        self.fan_out: set[str] = set()
        self.away: set[str] = set()
        self.mix: dict[int, tuple[str, bool, int]] = {}
        self.rows: dict[str, tuple[int, Role, bool, bool, int]] = {}
        self.spoke: set[str] = set()
        self.asks: dict[str, str] = {}
        self.invites: dict[str, int] = {}
        self.links: set[bytes] = set()
        self.bans: set[str] = set()
        self.blocks: set[tuple[str, str]] = set()
        self.overseers: set[str] = set()
        self.host = ""
        self.settings = Settings("")
        self.stage: tuple[OnStage, ...] = ()
        self.queue: tuple[Waiting, ...] = ()
        self.audience = 0
        self.posts: list[int] = []
        self.kept_pins: tuple[Pin, ...] = ()
        self.pins: tuple[Pin, ...] = ()
        self.you: dict[str, tuple[Role, int | None, bool]] = {}
        self.audit: list[Audited] = []
        self.ended = ""
        self.resting: set[int] = set()
        self._freed: dict[int, str] = {}

    def carry_out(self, outcome: Outcome) -> None:
        self._freed = {}
        for effect in outcome.effects:
            if isinstance(effect, Ended):
                assert outcome.effects[-1] is effect
                assert all(isinstance(other, Audited) for other in outcome.effects[:-1])
                self.close(effect.reason)
            self.mix_and_store_stage(effect)
            self.store(effect)
            self.doors(effect)
            self.push(effect)
        stage_changed = SeatAdded | SeatRemoved | PlaceGone
        if any(isinstance(effect, stage_changed) and not is_kept(effect) for effect in outcome.effects):
            self.resting = set(self._freed)

    def close(self, reason: str) -> None:
        self.ended = reason
        for part in (self.fan_out, self.away, self.mix, self.rows, self.asks, self.invites, self.links):
            part.clear()
        self.you.clear()
        self.stage, self.queue, self.pins, self.kept_pins, self.audience = (), (), (), (), 0

    def mix_and_store_stage(self, effect: Effect) -> None:
        match effect:
            case SeatAdded(seat, user, _, role, muted, held, volume_pct):
                assert seat not in self.mix
                assert self._freed.pop(seat, user) == user, "freed just now by somebody else"
                assert seat not in self.resting, "freed by the last change"
                assert seat not in {row[0] for row in self.rows.values()}, "kept for somebody"
                assert user not in self.rows
                self.mix[seat] = (user, muted, volume_pct)
                self.rows[user] = (seat, role, muted, held, volume_pct)
            case SeatChanged(seat, user, role, muted, held, volume_pct, mixed):
                assert mixed == (seat in self.mix)
                assert self.rows[user][0] == seat
                if mixed:
                    assert self.mix[seat][0] == user
                    self.mix[seat] = (user, muted, volume_pct)
                self.rows[user] = (seat, role, muted, held, volume_pct)
            case SeatRemoved(seat, user, kept):
                assert self.mix.pop(seat)[0] == user
                if not kept:
                    del self.rows[user]
                    self._freed[seat] = user
            case PlaceGone(seat, user):
                assert seat not in self.mix
                assert self.rows.pop(user)[0] == seat
                self._freed[seat] = user

    def store(self, effect: Effect) -> None:  # noqa: PLR0912 - one line a kind of effect
        match effect:
            case Opened(_, settings, host, _):
                self.settings, self.host = settings, host
            case SettingsChanged(settings):
                assert settings != self.settings
                self.settings = settings
            case HostChanged(host):
                self.host = host
            case Spoke(user):
                assert user not in self.spoke
                self.spoke.add(user)
            case Asked(user, name, first_time):
                assert user not in self.asks
                assert first_time == (user not in self.spoke)
                self.asks[user] = name
            case AskClosed(user):
                del self.asks[user]
            case InviteAdded(invitation):
                assert invitation.user not in self.invites
                self.invites[invitation.user] = invitation.expires_us
            case InviteClosed(user):
                del self.invites[user]
            case LinkAdded(digest):
                assert digest not in self.links
                self.links.add(digest)
            case LinkClosed(digest):
                self.links.remove(digest)
            case Banned(user):
                assert user not in self.bans
                self.bans.add(user)
            case Unbanned(user):
                self.bans.remove(user)
            case BlockedByHost(blocker, user):
                self.blocks.add((blocker, user))
            case Overseen(service):
                self.overseers.add(service)
            case Posted(post):
                assert post.post > max(self.posts, default=0)
                self.posts.append(post.post)
            case Pinned(pin):
                self.kept_pins = (*self.kept_pins, pin)
            case Unpinned(number):
                self.kept_pins = tuple(pin for pin in self.kept_pins if pin.pin != number)
            case Audited():
                self.audit.append(effect)

    def doors(self, effect: Effect) -> None:
        match effect:
            case Entered(user):
                assert user not in self.fan_out
                self.fan_out.add(user)
                self.you[user] = (Role.LISTENER, None, False)
            case Left(user) | Removed(user):
                self.fan_out.remove(user)
                del self.you[user]
            case WentAbsent(user):
                assert user not in self.fan_out
                assert user not in self.away
                self.away.add(user)
            case CameBack(user) | AbsenceOver(user):
                self.away.remove(user)

    def push(self, effect: Effect) -> None:
        match effect:
            case RoleChanged(user, role, seat_or, muted):
                assert user in self.fan_out
                self.you[user] = (role, seat_or, muted)
            case SeatAdded(seat, user, _, role, muted):
                self.you[user] = (role, seat, muted)
            case StageChanged(stage):
                assert stage != self.stage
                self.stage = stage
            case QueueChanged(queue):
                assert queue != self.queue
                self.queue = queue
            case PinsChanged(pins):
                assert pins != self.pins
                self.pins = pins
            case AudienceChanged(count):
                assert count != self.audience
                self.audience = count

    def sees(self, state: SpaceState) -> None:
        """What it knows is what is."""
        assert self.fan_out == {person.user for person in state.people()}
        assert self.away == set(state.absent)
        assert self.rows == {user: _row(place) for user, place in state.on_stage.items()}
        assert self.mix == {
            place.seat: (place.user, place.muted, place.volume_pct)
            for place in state.on_stage.values()
            if place.user not in state.absent
        }
        assert self.asks == {user: waiting.name for user, waiting in state.asks.items()}
        assert self.invites == {user: invite.expires_us for user, invite in state.invites.items()}
        assert self.links == {digest for digest, link in state.links.items() if not link.used_by}
        assert (self.bans, self.spoke) == (state.banned, state.spoke)
        assert (self.overseers, self.host, self.settings) == (state.overseers, state.host, state.settings)
        assert list(self.stage) == state.stage()
        assert list(self.queue) == state.queue()
        assert self.audience == state.audience_count
        assert self.pins == self.kept_pins == state.pins
        for user in self.fan_out:
            now = (state.role_of(user), state.seat_of(user), state.muted(user))
            assert self.you[user] == now, user


def is_kept(effect: Effect) -> bool:
    return isinstance(effect, SeatRemoved) and effect.kept


def _row(place: OnStage) -> tuple[int, Role, bool, bool, int]:
    return place.seat, place.role, place.muted, place.held, place.volume_pct
