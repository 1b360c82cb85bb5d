"""Every setting of a feed process, and where its value came from.

A value is looked for among the flags, then in the variable FEED_<NAME>, then in the TOML file, and
else is the default. docs/SETTINGS.md is `feed serve --show-settings=markdown`.
"""

from feed.settings.declared import Settings
from feed.settings.load import Origin, load

__all__ = ["Origin", "Settings", "load"]
