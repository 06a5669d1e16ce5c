"""The LLM side: providers of fine-tunes and completions, their life cycles, guards and costs, our own engines."""
