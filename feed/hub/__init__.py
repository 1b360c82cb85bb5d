"""From a stamped tick to the bytes each cohort of sessions is owed: synchronous, without sockets."""
