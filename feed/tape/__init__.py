"""The recorded-tick file format: reading, recognising, checking and merging tapes."""
