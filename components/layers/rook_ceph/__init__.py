"""Rook: the layer, and the settings of Ceph's pools."""
