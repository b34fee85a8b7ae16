"""What it costs: this program beside a script by hand and an empty Pulumi program, on the same machines."""
