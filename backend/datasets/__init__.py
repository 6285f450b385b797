"""What can be trained on: the kinds that are built in, and folders of them that were given a name."""
