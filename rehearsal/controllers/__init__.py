"""Stand-in operators: each simulates a program of the platform that does not run in the rehearsal."""
