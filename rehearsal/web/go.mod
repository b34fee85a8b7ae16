module homelab/rehearsal/web

go 1.26
