"""Whether a folder of images is what a training takes it for."""
