"""A table of recorded trainings: which column means what (mapping), what is in it (cells, rows), the space of its choices."""
