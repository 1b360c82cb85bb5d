"""Load runs with Locust; docs/LOAD.md says how to run them and how to read them."""
