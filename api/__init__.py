"""The fronts: HTTP, web pages, command line. They validate, submit and show; they never compute."""
