"""The provider protocol: requests of Pulumi's engine."""
