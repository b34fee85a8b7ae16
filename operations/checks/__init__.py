"""The checks of `./homelab doctor`: pure functions that compare observed state with the stack file."""
