"""The API endpoint: a virtual IP managed by keepalived or kube-vip, and HAProxy as an optional load balancer."""
