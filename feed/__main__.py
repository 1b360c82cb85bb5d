"""`python -m feed` is the `feed` command."""

import sys

from feed.cli.main import main

sys.exit(main())
