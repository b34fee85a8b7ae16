"""What `./homelab doctor` judges: values in, findings out."""
