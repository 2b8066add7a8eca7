"""The night's figures as mail and as Slack message: composed here, sent through the channels of `approvals`."""
