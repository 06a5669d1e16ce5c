"""The loop, written once over the pipeline protocol: freeze, train, evaluate, promote, predict, feedback."""
