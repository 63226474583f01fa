"""Values in, HTML or plain dictionaries out. Imports neither gradio nor torch."""
