"""What the page does, in plain values; never imports gradio. Read `lab.py` first: a `Lab` is the five services.

`datasets` fetches, `training` starts, stops and resumes, `results` reads what came of the runs, `predictions` asks trained
networks, `files` hands out downloads. `stores.py` is where all of them look for runs. Services return values and raise the
three errors of `reglab.errors`; the tabs turn both into what is on the screen.
"""
