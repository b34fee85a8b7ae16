"""What the missing programs of the platform would do, done by the rehearsal: one file for each of them."""
