"""Workers, as they last said of themselves."""
