"""What pages make of figures and of JSON before a template sees it: evaluations, drift, alerts, any value."""
