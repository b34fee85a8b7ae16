"""Rook: the layer and its Ceph pools."""
