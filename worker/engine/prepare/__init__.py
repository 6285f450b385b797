"""From ImageNet's official archives to the class folders that a training reads."""
