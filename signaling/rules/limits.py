"""SpaceLimits: the bounds of one Space."""

from __future__ import annotations

from dataclasses import dataclass

SEATS_MAX = 200
_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class SpaceLimits:
    """The bounds of one Space. ValueError for values that make no Space.

    `people` counts everyone inside, on stage or not, and those whose connection was lost. `host_grace_us`
    is how long a co-host waits for a host whose connection was lost before standing in; `host_timeout_us` is
    how much longer a Space lives where nobody can. `resume_us` is how long a lost connection keeps role, seat
    and place in the queue; `absent` bounds for how many. `speak_link_us` is how long a link to speak is good
    where its maker says nothing, `speak_link_most_us` the most they can say.
    """

    stage: int = 13
    queue: int = 100
    people: int = 10_000
    title_chars: int = 100
    host_grace_us: int = 30_000_000
    host_timeout_us: int = 90_000_000
    resume_us: int = 120_000_000
    absent: int = 1_000
    co_hosts: int = 2
    topics: int = 3
    pins: int = 5
    invites: int = 50
    invite_us: int = 600_000_000
    links: int = 50
    speak_link_us: int = _DAY_US
    speak_link_most_us: int = 7 * _DAY_US

    @property
    def seats(self) -> int:
        """How many seat numbers there are, from 0: two more than places, for on a full stage one may rest
        from the last change while another is freed and its holder seated anew."""
        return self.stage + 2

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("stage", self.stage, 1, SEATS_MAX),
            ("queue", self.queue, 0, 1_000),
            ("people", self.people, self.stage, 1_000_000),
            ("title_chars", self.title_chars, 1, 1_000),
            ("host_grace_us", self.host_grace_us, 0, _HOUR_US),
            ("host_timeout_us", self.host_timeout_us, 0, _HOUR_US),
            ("resume_us", self.resume_us, 0, _HOUR_US),
            ("absent", self.absent, self.stage, 10_000),
            ("co_hosts", self.co_hosts, 0, SEATS_MAX),
            ("topics", self.topics, 0, 3),
            ("pins", self.pins, 0, 100),
            ("invites", self.invites, 0, 1_000),
            ("invite_us", self.invite_us, 1, _DAY_US),
            ("links", self.links, 0, 1_000),
            ("speak_link_us", self.speak_link_us, 1_000_000, self.speak_link_most_us),
            ("speak_link_most_us", self.speak_link_most_us, 1_000_000, 7 * _DAY_US),
        ):
            if not low <= value <= high:
                raise ValueError(f"the limit {name} is {value}; set it to {low} to {high}")
