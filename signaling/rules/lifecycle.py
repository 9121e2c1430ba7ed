"""The steps that a Space takes in its life, and a person in a live Space: one table each, and no other steps.

Who may take a step is not said here but in the permission table. A lost connection is no step: what somebody
was is kept for a while, and theirs again when they are back.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from signaling.rules.roles import Action, Standing, State

__all__ = ["PERSON_STEPS", "SPACE_STEPS", "PersonStep", "SpaceStep"]


class SpaceStep(NamedTuple):
    """From one state to the next; `before` None: there was no Space. `cause`: an act, or what happened."""

    before: State | None
    cause: Action | str
    after: State


class PersonStep(NamedTuple):
    """What somebody is before and after an act of their own or of another."""

    before: Standing
    action: Action
    after: Standing


SPACE_STEPS: Final = (
    SpaceStep(None, "schedule", State.SCHEDULED),
    SpaceStep(None, "open or create", State.LIVE),
    SpaceStep(State.SCHEDULED, Action.START, State.LIVE),
    SpaceStep(State.SCHEDULED, Action.CANCEL, State.CANCELLED),
    SpaceStep(State.SCHEDULED, "not started in time", State.CANCELLED),
    SpaceStep(State.LIVE, Action.END, State.ENDED),
    SpaceStep(State.LIVE, "the host leaves", State.ENDED),
    SpaceStep(State.LIVE, "the server stops", State.ENDED),
    SpaceStep(State.LIVE, "no host and nobody to stand in", State.TIMED_OUT),
)

PERSON_STEPS: Final = (
    PersonStep(Standing.OUTSIDE, Action.JOIN, Standing.LISTENER),
    PersonStep(Standing.LISTENER, Action.ADMIT, Standing.SPEAKER),
    PersonStep(Standing.LISTENER, Action.ACCEPT, Standing.SPEAKER),
    PersonStep(Standing.SPEAKER, Action.MOVE, Standing.LISTENER),
    PersonStep(Standing.CO_HOST, Action.MOVE, Standing.LISTENER),
    PersonStep(Standing.SPEAKER, Action.PROMOTE, Standing.CO_HOST),
    PersonStep(Standing.CO_HOST, Action.DEMOTE, Standing.SPEAKER),
    PersonStep(Standing.SPEAKER, Action.HAND_OVER, Standing.HOST),
    PersonStep(Standing.CO_HOST, Action.HAND_OVER, Standing.HOST),
    PersonStep(Standing.HOST, Action.HAND_OVER, Standing.CO_HOST),
    PersonStep(Standing.HOST, Action.HAND_OVER, Standing.SPEAKER),
    PersonStep(Standing.LISTENER, Action.LEAVE, Standing.OUTSIDE),
    PersonStep(Standing.SPEAKER, Action.LEAVE, Standing.OUTSIDE),
    PersonStep(Standing.CO_HOST, Action.LEAVE, Standing.OUTSIDE),
    PersonStep(Standing.LISTENER, Action.REMOVE, Standing.OUTSIDE),
    PersonStep(Standing.SPEAKER, Action.REMOVE, Standing.OUTSIDE),
    PersonStep(Standing.CO_HOST, Action.REMOVE, Standing.OUTSIDE),
    PersonStep(Standing.LISTENER, Action.BAN, Standing.BANNED),
    PersonStep(Standing.SPEAKER, Action.BAN, Standing.BANNED),
    PersonStep(Standing.CO_HOST, Action.BAN, Standing.BANNED),
    PersonStep(Standing.BANNED, Action.UNBAN, Standing.OUTSIDE),
)
