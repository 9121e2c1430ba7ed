"""The commands that act on a Space from a script, and their options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NamedTuple

import typer

from signaling.cli.launch import launch
from signaling.cli.options import Json, Kind, Most, Reach, Space, SpeakPolicy, Topics, connected

__all__ = ["ACT_COMMANDS", "VERBS", "act"]


class Word(NamedTuple):
    """What a verb takes."""

    name: str
    kind: Any
    default: Any = inspect.Parameter.empty


def _text(name: str, help_text: str) -> Word:
    return Word(name, Annotated[str, typer.Argument(metavar=name.upper(), help=help_text)])


_USER = _text("user", "Their user id.")
_TEXT = _text("text", "In quotes if it has several words.")
_NUMBER = Word(
    "number", Annotated[int, typer.Argument(min=1, metavar="NUMBER", help="As the list shows it.")]
)
_HOLD = Word(
    "hold",
    Annotated[bool, typer.Option("--hold", metavar="", help="They cannot unmute until a host lets go.")],
    False,
)
_FOR_CAUSE = Word(
    "for_cause",
    Annotated[
        bool, typer.Option("--for-cause", metavar="", help="What they paid for a ticket is not given back.")
    ],
    False,
)
_MOST = Word("most", Most, 100)
_PERCENT = Word(
    "percent", Annotated[int, typer.Argument(min=0, max=100, metavar="PERCENT", help="Of their voice.")]
)
_TOPICS = Word(
    "topics",
    Annotated[list[str] | None, typer.Argument(metavar="WORD", help="None: about nothing.")],
    None,
)
_POLICY = Word("policy", Annotated[Literal["everyone", "followed", "invited"], typer.Argument(help="Who.")])
_ORDER = Word("order", Annotated[Literal["arrival", "fair"], typer.Argument(help="Which.")])
_REPLY = Word(
    "reply_to",
    Annotated[int | None, typer.Option(min=1, metavar="NUMBER", help="Of the post that this answers.")],
    None,
)
_MORE = Word("text", Annotated[str, typer.Argument(metavar="[TEXT]", help="What happened.")], "")
_REACTION = _text("reaction", "heart, laugh, clap, fire, hundred, wave, sad or surprised.")
_REASON = _text("reason", "spam, abuse, hate, violence, self-harm, privacy or other.")

VERBS: Final[dict[str, tuple[str, tuple[Word, ...]]]] = {
    "people": ("Who is in it.", (_MOST,)),
    "stage": ("Who is on stage.", ()),
    "queue": ("Who asks to speak, in order.", ()),
    "admit": ("Let somebody who asked speak.", (_USER,)),
    "decline": ("Take somebody off the queue.", (_USER,)),
    "invite": ("Invite a listener to speak.", (_USER,)),
    "uninvite": ("Take an invitation back.", (_USER,)),
    "promote": ("Make somebody on stage a co-host.", (_USER,)),
    "demote": ("Make a co-host a speaker again.", (_USER,)),
    "hand-over": ("Make somebody on stage the host.", (_USER,)),
    "mute": ("Switch a voice off.", (_USER, _HOLD)),
    "unmute": ("Let go of a voice that is held muted.", (_USER,)),
    "mute-all": ("Mute everybody on stage but the hosts.", (_HOLD,)),
    "volume": ("Make somebody on stage less loud for everybody.", (_USER, _PERCENT)),
    "move": ("Send somebody from the stage to the listeners.", (_USER,)),
    "remove": ("Put somebody out; they may come back.", (_USER, _FOR_CAUSE)),
    "ban": ("Put somebody out; they may not come back to this Space.", (_USER, _FOR_CAUSE)),
    "block": ("Put somebody out; they may come to no Space of the host.", (_USER, _FOR_CAUSE)),
    "unban": ("Let somebody come back.", (_USER,)),
    "bans": ("Who may not come back.", (_MOST,)),
    "lock": ("Let nobody new in.", ()),
    "unlock": ("Let everybody in again.", ()),
    "title": ("Give it another title.", (_TEXT,)),
    "topics": ("Say what it is about: up to three words, or none.", (_TOPICS,)),
    "who-may-speak": ("Say who may ask to speak.", (_POLICY,)),
    "queue-order": ("Say whose turn it is; fair: who has not spoken here yet comes first.", (_ORDER,)),
    "post": ("Write to everybody.", (_TEXT, _REPLY)),
    "delete-post": ("Take a post away.", (_NUMBER,)),
    "posts": ("What was written, the latest first.", (_MOST,)),
    "note": ("Write a private word to the hosts.", (_TEXT,)),
    "notes": ("What was noted to the hosts, the latest first.", (_MOST,)),
    "react": ("React.", (_REACTION,)),
    "pin": ("Pin something for all to see.", (_TEXT,)),
    "unpin": ("Take a pinned item away.", (_NUMBER,)),
    "pins": ("What is pinned.", ()),
    "report": ("Tell whoever runs the server about somebody.", (_USER, _REASON, _MORE)),
    "end": ("End it for everybody.", ()),
}
"""What `spaces act` can do, and what each takes beside the Space."""

act = typer.Typer(
    help="Do one thing in a Space, from a script.\n\n"
    "With a service's token it is done without being in the Space, and stands in its audit log under the "
    "service's name. With a person's token it is done as that person: they are in the Space by this "
    "connection, which replaces another of theirs; a listener leaves again, anybody else's place is kept "
    "for a while, as where a connection is lost.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def _command(verb: str, words: tuple[Word, ...]) -> Callable[..., None]:
    def command(*, reach: Reach, space: str, json: bool, **given: Any) -> None:
        launch(f"act {verb}", lambda it: it.run(reach(), space, verb, given, as_json=json), "act")

    parameters = [Word("reach", Reach), Word("space", Space), *words, Word("json", Json, False)]
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                word.name, inspect.Parameter.KEYWORD_ONLY, default=word.default, annotation=word.kind
            )
            for word in parameters
        ]
    )
    return connected(command)


for _name, (_what, _words) in VERBS.items():
    act.command(_name, help=_what)(_command(_name, _words))


@connected
def audit(*, reach: Reach, space: Space, most: Most = 100, json: Json = False) -> None:
    """Show who did what in a Space, the latest first; for its hosts and for services.

    Whoever had the Space, and services, read it also when it is over. A co-host reads it while it is live,
    with what `spaces act --help` says of a person's token.
    """
    launch("audit", lambda it: it.audit(reach(), space, most=most, as_json=json), "act")


@connected
def talkers(*, reach: Reach, space: Space, json: Json = False) -> None:
    """Show who was heard in a Space for how long; for its hosts and for services.

    Who may see it, and where, is as with `spaces audit`. Of Spaces that are over the server remembers
    the last 1,000, until it is started anew.
    """
    launch("talkers", lambda it: it.talkers(reach(), space, as_json=json), "act")


@connected
def create(
    *,
    reach: Reach,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user id of the host.")],
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What the Space is called.")],
    topic: Topics = None,
    who_may_speak: SpeakPolicy = "everyone",
    kind: Kind = "",
    json: Json = False,
) -> None:
    """Open a Space for a host who is not here yet, with a service's token. Prints its id."""
    launch(
        "create",
        lambda it: it.create(
            reach(),
            user,
            title,
            topics=tuple(topic or ()),
            who_may_speak=who_may_speak,
            kind=kind,
            as_json=json,
        ),
        "act",
    )


ACT_COMMANDS: Final = (audit, talkers, create)
