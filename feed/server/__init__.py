"""Sockets and HTTP: the only server-side home of Tornado."""
