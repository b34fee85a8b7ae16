module homelab/rehearsal/pause

go 1.26
