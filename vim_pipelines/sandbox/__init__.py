"""The simulated vendor: customers with planted truths and loopback emulators of the systems they live in."""
