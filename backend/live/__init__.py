"""The live stream: what changes in SQL, to every open page, as it changes."""
