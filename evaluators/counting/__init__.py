"""The mathematics of crowd counting by point queries as pure functions: where queries lie, people, matching, losses, counts."""
