"""One conversation each: what it asked for, what it is owed, and what it has been told."""
