"""Argo CD: the layer, and its settings of repositories, projects and Applications."""
