"""Kubernetes objects and Helm charts as data."""
