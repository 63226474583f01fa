"""What a trained network makes of pictures: predictions, evaluation, errors, the inside of a network.

    networks.py    the network of a run, loaded and kept; its logits to many pictures
    pictures.py    a stranger's picture, opened and made small
    evaluate.py    all validation and test images answered once; predict.py: one picture, and how far to trust the answer
    strange.py       whether a picture is unlike those that the network learned from
    explain.py     where the network looks; mistakes.py: what it gets wrong; inside.py: its weights and activations
    preview.py     what the regularizers do to pictures before a network sees them

Read first: `networks.py`, then `predict.py`.
May import: `runs`, `training`, `config` and the floors below.
"""
