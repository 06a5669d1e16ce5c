"""What forms do: one module for each thing that is acted on. An action ends in a redirect, or in its form again."""
