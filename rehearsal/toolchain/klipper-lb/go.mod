module homelab/rehearsal/klipper-lb

go 1.26
