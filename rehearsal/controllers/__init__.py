"""Stand-in operators, each of which simulates a platform component that does not run in the rehearsal."""
