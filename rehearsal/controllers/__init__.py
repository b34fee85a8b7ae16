"""Stand-in operators: each does the work of a program of the platform that does not run in the rehearsal."""
