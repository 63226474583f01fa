"""Parts of Gradio that several tabs use: the live chart, a model's fields as controls."""
