"""From a stamped tick to the bytes that sessions are owed: synchronous, without sockets."""
