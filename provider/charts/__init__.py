"""Helm charts: fetched, verified and read."""
