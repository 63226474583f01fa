"""What stands before Gradio: who asks, what may be asked for, and how much of it. Read `shell.py` first.

Every request passes through one ASGI application, `Shell`, from top to bottom of its `__call__`: `client` says who asks.
The page's services check what somebody may do; the shell checks that a request is one that this app answers at all, before
anything of it is parsed. Never imports gradio: `reglab.compat` puts the shell in front of it. May import `services`.
"""
