"""File formats that a network leaves Paredown in. Nothing uses such a file before it was compared with the eager network."""
