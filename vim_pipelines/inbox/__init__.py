"""The inbox: the web application in which people read what waits for them and decide. Every decision goes through `approvals.deciding`."""
