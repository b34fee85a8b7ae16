"""The API endpoint: a virtual IP of keepalived or kube-vip, and HAProxy as an optional load balancer."""
