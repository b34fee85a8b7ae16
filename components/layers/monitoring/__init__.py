"""Monitoring: the layer, its receivers, alert rules and dashboards."""
