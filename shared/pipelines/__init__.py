"""One folder for each pipeline, with the same file names in each. They never import each other."""
