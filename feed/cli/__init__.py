"""The `feed` command: argument parsing, exit codes and terminal output.

Each command is a module with `add(commands)`, which declares its arguments, and `run(args)`, which
imports what it needs only then, so that `feed --help` stays fast.
"""
