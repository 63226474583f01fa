"""The CNN Regularization Lab: `python app.py`, or this file as the entry point of a Hugging Face Space.

Workers that train import this file again when they start, so there must be nothing in it but this guard.
"""

if __name__ == "__main__":
    import sys

    from reglab import compat

    compat.spaces.start()  # on ZeroGPU, and before anything else imports torch

    from reglab.errors import ConfigError
    from reglab.ui.app import launch

    try:
        launch()
    except ConfigError as error:  # a variable of the environment that means nothing
        sys.exit(str(error))
