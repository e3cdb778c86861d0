"""Layers. A folder is a slot with one shape contract; a file in it is an option, found by its name."""
