"""Who may speak to the service, and under which names it answers."""
