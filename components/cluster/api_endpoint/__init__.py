"""Endpoint of the Kubernetes API: a virtual IP from keepalived or kube-vip, and optionally HAProxy as load balancer."""
