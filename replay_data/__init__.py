"""The tapes that ship with feed; README.md beside them says what each one is."""
