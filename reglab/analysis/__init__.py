"""What a trained network makes of pictures: predictions, evaluation, errors, the inside of a network.

Read first: `predict.py`.
May import: `runs`, `training`, `config` and the floors below.
"""
