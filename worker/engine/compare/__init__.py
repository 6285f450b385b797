"""The arms of a comparison, for several seeds, trained as child processes and compared."""
