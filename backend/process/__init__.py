"""The processes of one machine: what they are, how they start, stay alive and stop; little more than the standard
library."""
