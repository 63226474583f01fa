"""A run as something to give away: on the Hub, as ONNX or plain PyTorch, with a model card; and copies that outlive a server.

Read first: `hub.py`; for the copies, `mirror.py`.
May import: `analysis`, `runs`, `training`, `config` and the floors below.
"""
