"""An evening at a real server, each command a process of its own: followed, planned, hosted, moderated."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest

from tests.signaling.cli_world import run_command
from tests.signaling.test_cli_rooms import Command, serving, speech, start

__all__ = ["start"]

pytestmark = pytest.mark.scenario

PEOPLE = ("ada", "ben", "cleo")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A server, and for everybody the options by which they are known there; `backend` is a service."""
    folder = tmp_path_factory.mktemp("evening")
    (folder / "spaces.toml").write_text('[auth]\nservices = ["backend"]\n')
    begin = partial(Command, folder)
    command, where = serving(folder, lambda *words: begin(*words, "--config", str(folder / "spaces.toml")))
    known = {}
    for who in (*PEOPLE, "backend"):
        extra = ["--service"] if who == "backend" else ["--name", who.title()]
        (folder / f"{who}.token").write_text(said("token", who, *extra, *where[2:]))
        known[who] = [*where, "--token-file", str(folder / f"{who}.token")]
    for who in PEOPLE:
        said("profile", "--set-name", who.title(), *known[who])  # who has no account cannot be followed
    yield known
    command.child.kill()
    command.child.communicate()


def said(*arguments):
    """What a command says that succeeds. In this process, as the server and those who stay have their own."""
    done = run_command(*arguments)
    assert (done.exit_code, done.stderr) == (0, ""), (arguments, done.output)
    return done.stdout


def refused(code, *arguments, status=1):
    done = run_command(*arguments)
    assert done.exit_code == status, done.output
    assert done.stderr.strip().endswith(f"[{code}]"), done.output


def test_an_evening_from_following_to_the_last_word(tmp_path, start, place):
    ada, ben, cleo = (place[who] for who in PEOPLE)
    speech(tmp_path / "talk.wav", 2)
    assert "@ada" in said("profile", "--set-handle", "Ada", *ada)
    assert said("follow", "@ada", *cleo) == "You follow @ada.\n"
    assert json.loads(said("follow", "--followers", "--json", *ada)) == [{"user": "cleo", "name": "Cleo"}]

    watching = start("timeline", *cleo)
    assert watching.line().startswith("Nobody you follow")
    hosting = start(
        *("host", "-t", "Tea", "-a", "talk.wav", "--loop", "--topic", "tea", "--co-host", "ben"),
        *("--speak-links", "1", "--who-may-speak", "invited", *ada),
    )
    space = hosting.line("Space").split()[1]
    link = hosting.line("Speak").split()[1]
    assert re.search(rf"^{space}  Tea: Ada, \d+ (?:people|person)$", watching.line(space))

    assert "Tea" in said("live", "--topic", "TEA", *ben)
    assert said("live", "--search", "coffee", *ben).startswith("Nothing live is like that")
    assert json.loads(said("peek", space, "--json", *ben))["people"] == 1

    # The co-host is invited when he comes; a listener may not ask, but has a link.
    partner = start("join", space, "--ask", "-a", "talk.wav", *ben)
    assert hosting.line("co-host") == "Ben is a co-host now."
    guest = start("join", link, "--ask", "-a", "talk.wav", *cleo)
    assert hosting.line("Cleo") in ("Cleo is on stage.", "cleo accepted the invitation.")
    hosting.line("Cleo left the stage")  # when what she had to say was said
    refused("invite_lapsed", "join", link, *place["ben"])

    status, _, complaints = guest.end()
    assert (status, complaints) == (0, "")
    partner.end()
    status, _, complaints = hosting.end()
    assert (status, complaints) == (0, "")
    assert watching.line("no longer") == f"{space}  Tea: no longer"
    assert watching.end()[0] == 0


def test_planning_a_space_and_starting_it(tmp_path, start, place):
    ada, ben = place["ada"], place["ben"]
    speech(tmp_path / "talk.wav", 1)
    said("follow", "ada", *ben)
    planned = json.loads(said("schedule", "create", "Morning", "--in", "10m", "--json", *ada))["space"]
    assert said("schedule", "remind", planned, *ben).startswith("You will be told")
    [row] = json.loads(said("schedule", "list", "--host", "ada", "--json", *ben))
    assert (row["title"], row["reminded"]) == ("Morning", True)
    waiting = start("timeline", "--json", *ben)
    assert json.loads(waiting.line("bubbles")) == {"bubbles": []}
    said("schedule", "move", planned, "--in", "12m", *ada)
    assert json.loads(waiting.line("notice"))["notice"]["what"] == 3
    begun = start("schedule", "start", planned, "-a", "talk.wav", *ada)
    assert begun.line("Space") == f"Space {planned}  Morning"
    assert json.loads(waiting.line("notice"))["notice"]["what"] == 1
    assert begun.wait()[0] == 0
    assert "ended" in said("peek", planned, *ben)
    other = json.loads(said("schedule", "create", "Evening", "--in", "2d", "--json", *ada))["space"]
    assert said("schedule", "cancel", other, *ada) == "It is cancelled.\n"
    refused("not_planned", "schedule", "move", other, "--in", "1d", *ada)
    refused("bad_time", "schedule", "create", "Too far", "--in", "31d", *ada)
    waiting.end()


def test_a_backend_keeps_order_without_being_there(tmp_path, start, place):
    ada, ben, backend = place["ada"], place["ben"], place["backend"]
    speech(tmp_path / "talk.wav", 2)
    hosting = start("host", "-t", "Order", "-a", "talk.wav", "--loop", "--admit-all", *ada)
    space = hosting.line("Space").split()[1]
    guest = start("join", space, *ben)
    guest.line("Space")
    assert said("act", "title", space, "Better order", *backend) == "Done: title.\n"
    assert hosting.line("called") == "The Space is now called 'Better order'."
    people = json.loads(said("act", "people", space, "--json", *backend))["result"]
    assert [row["user"] for row in people] == ["ada", "ben"]
    link = json.loads(said("share", space, "--speak", "--json", *backend))["link"]
    said("share", space, "--revoke", link, *backend)
    refused("not_invited", "join", link, *place["cleo"])
    said("act", "ban", space, "ben", *backend)
    status, _, complaints = guest.wait()
    assert (status, complaints.strip()[-9:]) == (1, "[removed]")
    refused("removed", "join", space, *ben)
    assert "Ben" in said("act", "bans", space, *backend)
    said("act", "unban", space, "ben", *backend)
    entries = json.loads(said("audit", space, "--json", *backend))
    assert {entry["actor"] for entry in entries} == {"backend"}
    assert {"change", "ban", "unban"} <= {entry["action"] for entry in entries}
    said("act", "end", space, *backend)
    assert hosting.wait()[0] == 0
    later = json.loads(said("audit", space, "--json", *backend))
    assert [entry["action"] for entry in later] == ["end", *(entry["action"] for entry in entries)]
    refused("no_such_space", "audit", space, *ben)


def test_a_backend_opens_a_space_for_a_host_who_comes_later(place):
    space = said("create", "ada", "Prepared", "--topic", "tea", *place["backend"]).strip()
    assert re.fullmatch("[0-9a-f]{32}", space)
    shown = json.loads(said("peek", space, "--json", *place["ben"]))
    assert (shown["settings"]["title"], shown["host"]) == ("Prepared", "ada")
    said("act", "end", space, *place["backend"])
    refused("not_permitted", "create", "ada", "Prepared", *place["ben"])


def test_who_is_blocked_finds_nothing(tmp_path, start, place):
    ada, cleo = place["ada"], place["cleo"]
    speech(tmp_path / "talk.wav", 2)
    hosting = start("host", "-t", "Peace", "-a", "talk.wav", "--loop", *ada)
    space = hosting.line("Space").split()[1]
    assert said("block", "cleo", *ada) == "cleo is blocked.\n"
    for command in ("peek", "join"):
        refused("no_such_space", command, space, *cleo)
    assert said("live", *cleo).startswith("Nothing is live")
    assert [row["user"] for row in json.loads(said("block", "--json", *ada))] == ["cleo"]
    said("unblock", "cleo", *ada)
    assert "Peace" in said("live", *cleo)
    hosting.end()


def test_posts_and_notes_from_a_script(tmp_path, start, place):
    ada, ben = place["ada"], place["ben"]
    speech(tmp_path / "talk.wav", 2)
    hosting = start("host", "-t", "Words", "-a", "talk.wav", "--loop", *ada)
    space = hosting.line("Space").split()[1]
    assert said("act", "post", space, "Good evening", *ben) == "Done: post, number 1.\n"
    assert hosting.line("writes") == "Ben writes: Good evening"
    said("act", "note", space, "A bit louder", *ben)
    assert hosting.line("notes") == "Ben notes to the hosts: A bit louder"
    said("act", "react", space, "heart", *ben)
    said("act", "report", space, "ada", "other", "only a test", *ben)
    [row] = json.loads(said("act", "posts", space, "--json", *ben))["result"]
    assert (row["name"], row["text"]) == ("Ben", "Good evening")
    said("act", "delete-post", space, "1", *ben)
    refused("no_such_post", "act", "delete-post", space, "1", *ben)
    refused("bad_value", "act", "react", space, "shrug", *ben, status=2)
    refused("not_permitted", "act", "lock", space, *ben)
    hosting.end()
