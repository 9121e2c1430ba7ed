"""`python -m signaling.cli` is `spaces`."""

from signaling.cli.main import main

main()
