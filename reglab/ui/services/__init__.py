"""What the tabs do, in plain values: start, follow, stop, compare, predict. Never imports gradio."""
