"""What time does to a Space: a co-host stands in for a lost host, what was kept lapses, or the Space ends."""

from __future__ import annotations

from signaling.rules import effects as fx
from signaling.rules.change import Change, Outcome
from signaling.rules.roles import Role, State
from signaling.rules.state import SpaceState


def on_time(state: SpaceState, now_us: int) -> Outcome:
    """Do what is due at `now_us`; due at `state.deadline_us`.

    When a lost host has not returned within the grace, the co-host who is here and has been it longest
    stands in; where there is none for the further period, the Space is timed out (`host_lost`). Then what was
    kept for others too long and the invitations that were not taken up lapse.
    """
    due_us = state.deadline_us
    if due_us is None or now_us < due_us:
        return Outcome(state)
    change, limits = Change(state), state.limits
    host = state.absent.get(state.host)
    if host is not None and now_us >= host.since_us + limits.host_grace_us:
        stand_in = state.stand_in()
        if stand_in is not None:
            change.make_host(stand_in, Role.CO_HOST, "absent")
        elif now_us >= host.since_us + limits.host_grace_us + limits.host_timeout_us:
            return change.end("host_lost", now_us, State.TIMED_OUT)
    lapsed = [
        user
        for user, away in state.absent.items()
        if user != change.state.host and now_us >= away.since_us + limits.resume_us
    ]
    if lapsed:
        change.end_absences(lapsed, "left")
    for user, invitation in state.invites.items():
        if user in change.state.invites and now_us >= invitation.expires_us:
            change.close_invite(user, "lapsed")
    for digest, link in state.links.items():
        if now_us >= link.expires_us:
            change.drop_link(digest, "lapsed")
    return change.outcome()


def regain_host(change: Change) -> None:
    """The rightful host is here again: who stood in is a co-host again, or a speaker where there are enough.

    A place on stage was kept free for them.
    """
    user = change.state.rightful_host
    if user not in change.state.on_stage:
        change.take_seat(user, change.state.name_of(user), Role.SPEAKER)
    others = [who for who in change.state.co_hosts if who != user]
    before = Role.CO_HOST if len(others) < change.state.limits.co_hosts else Role.SPEAKER
    change.make_host(user, before, "returned")
    change.add(fx.HostReturned(user))


def host_goes(change: Change) -> bool:
    """The host is about to leave for good; returns whether somebody else hosts from now on.

    Nobody follows the rightful host, whose Space it is. Who stands in is followed by the next co-host who is
    here, else by the rightful host, for whom the Space then waits as before.
    """
    state = change.state
    if state.host == state.rightful_host:
        return False
    following = state.stand_in()
    if following is None and state.rightful_host in state.absent:
        following = state.rightful_host
    if following is None:
        return False
    change.make_host(following, Role.SPEAKER, "absent")
    return True
