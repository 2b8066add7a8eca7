"""What people and BI tools read: the published copy and the run's summary."""
