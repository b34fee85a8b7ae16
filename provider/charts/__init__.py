"""Fetch, verify and read Helm charts."""
