"""Virtual machines, which the rehearsal can use instead of containers as simulated machines."""
