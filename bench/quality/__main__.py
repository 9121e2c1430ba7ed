"""`python -m bench.quality`: figures as tables or JSON, plots as a page."""

from __future__ import annotations

import sys

from bench.quality.command import main

sys.exit(main())
