"""Monitoring: the layer, and its alert receivers, alert rules and Grafana dashboards."""
