"""The controller: one process that takes in what workers say, and reconciles what is with what is wanted."""
