"""From a vendor's answer or a file to append-only raw row versions."""
