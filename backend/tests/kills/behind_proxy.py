"""`mainloop` whose runners find it through the address in `PROXY_URL`."""

import os
import sys

from mainloop.main import main
from mainloop.settings import Settings

if __name__ == "__main__":
    Settings.server_url = property(lambda _: os.environ["PROXY_URL"])  # type: ignore[method-assign, assignment]
    sys.exit(main(sys.argv[1:]))
