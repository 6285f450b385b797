"""What a training would take on this machine, measured on it for some seconds."""
