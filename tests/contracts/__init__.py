"""Contracts with what others publish: values of charts, schemas of custom resources. A layer adds cases only."""
