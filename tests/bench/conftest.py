"""Other servers are only measured on Linux (epoll, recvmmsg, /proc); so are the tests of that."""

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_peer*.py", "test_sink.py"]
