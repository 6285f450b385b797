"""The API's TCP connections: whose they are, how many there may be, and how long they may take."""
