"""Images: webcam pictures, scored by a network that is trained on what people rated. It is seed 003."""
