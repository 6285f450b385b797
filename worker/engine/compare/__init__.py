"""A baseline and its twin with stochastic depth, for several seeds, trained as child processes and compared."""
