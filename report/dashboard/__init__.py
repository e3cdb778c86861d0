"""A live page over runs: it reads their logs and nothing else, so it follows a search that goes on and shows one that is over."""
