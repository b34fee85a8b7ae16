"""Layers of the platform: one Python module or package for each layer, such as MetalLB or Longhorn."""
