"""The API endpoint: a virtual IP held by keepalived or kube-vip, and HAProxy behind it."""
