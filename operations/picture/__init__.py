"""Draws the diagram of a lab as SVG."""
