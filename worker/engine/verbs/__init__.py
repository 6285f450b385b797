"""What the engine's command line can be asked to do, one module a verb. Importing them imports no torch."""
