"""How a comparison is told as one page that needs nothing beside itself; the service and the engine alone share it."""
