"""How the room looks, in textual's style sheets."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
/* A title, people beside posts, what was said, the keys. On a narrow terminal people above posts. */
#title, #about, #reactions, #keys { height: 1; }
#title, #keys { background: $panel; }
#panes { height: 1fr; }
Rows { scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; overflow-x: hidden; }
#said { height: 3; scrollbar-size-vertical: 0; }
#people { width: 2fr; height: 1fr; }
#talk { width: 3fr; height: 1fr; border-left: vkey $panel; }
#posts { height: 1fr; }
#pins, #notes { height: 0; }

.-narrow #panes { layout: vertical; }
.-narrow #people, .-narrow #talk { width: 1fr; }
.-narrow #talk { border-left: none; border-top: hkey $panel; }
.-low #said { height: 1; }
.-low #reactions, .-low #pins, .-low #notes { display: none; }

Prompt, Choices { align: center bottom; background: $background 40%; }
Page { align: center middle; background: $background 40%; }
.dialog { width: 100%; max-width: 80; height: auto; max-height: 100%; }
.page { width: 100%; max-width: 76; height: 100%; }
.dialog, .page { background: $surface; border: round $primary; padding: 0 1; }
.dialog VerticalScroll { height: auto; max-height: 100%; }
.dialog Static { height: 1; }
.question { text-style: bold; }
"""
