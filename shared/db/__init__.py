"""All SQL of Tuneyard: one module of named functions for each table. Nothing else builds SQL."""
