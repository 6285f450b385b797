"""The command line: it runs the parts on this machine, and is a client of the REST interface."""
