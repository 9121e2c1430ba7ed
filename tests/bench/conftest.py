"""Where the benchmarks of other servers do not run (epoll, recvmmsg and /proc are Linux), nor do their tests."""

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_peer*.py", "test_sink.py"]
