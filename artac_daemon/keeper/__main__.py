"""`python3 -I -S …/artac_daemon/keeper/__main__.py ID`, in the session's directory.

The first descriptor is the connection to the backend that starts it; see `wire` for what is said.
"""

import os
import sys

# -I leaves the package's own place out of the path. Appended, so that nothing there can stand in
# for a module of the standard library.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from artac_daemon.keeper.main import main

main(sys.argv)
