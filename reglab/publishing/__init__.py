"""A run as something to give away: on the Hub, as ONNX or plain PyTorch, with a model card.

Read first: `hub.py`.
May import: `analysis`, `runs`, `training`, `config` and the floors below.
"""
