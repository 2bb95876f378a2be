"""The command line: `gatepass serve | user | key | token`."""
