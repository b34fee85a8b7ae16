"""Kubernetes objects and Helm charts as plain Python data."""
