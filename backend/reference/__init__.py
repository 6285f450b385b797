"""What a client has to know before it asks: settings, presets, and how the service is."""
