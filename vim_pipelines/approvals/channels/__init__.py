"""The doors through which a question reaches people outside the inbox: Slack, mail, CRM."""
