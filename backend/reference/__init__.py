"""What a client has to know before it asks: settings, presets, datasets, and how the service is."""
