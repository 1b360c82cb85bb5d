"""What IPython keeps of a notebook's outputs, so that it keeps nothing open that is only shown.

`Out`, `_` and `_7` hold on to every value that a cell has shown. A connection among them would go
on although its name was given to another one, as when the cell is run again.
"""

from __future__ import annotations

import re
import sys
import weakref
from typing import Any, Final

_OUTPUT: Final = re.compile(r"_{1,3}|_?\d+")


def keep_weakly(kind: type) -> None:
    """Have outputs refer weakly to values of a kind from now on; outside of IPython, do nothing."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is not None and getattr(shell, "_feed_kept_weakly", None) is not kind:
        shell._feed_kept_weakly = kind
        shell.events.register("post_run_cell", lambda outcome: _weaken(shell, kind, outcome))


def _weaken(shell: Any, kind: type, outcome: Any) -> None:
    shown = outcome.result
    if not isinstance(shown, kind):
        return
    outcome.result = proxy = weakref.proxy(shown)
    user = shell.user_ns
    for names in (user, user["_oh"], shell.user_ns_hidden, vars(shell.displayhook)):
        for name, value in list(names.items()):
            if value is shown and _OUTPUT.fullmatch(str(name)):
                names[name] = proxy
