"""What the page does, in plain values. Read `lab.py` first: a `Lab` is five services over the same `stores.py`.

`datasets` fetches, `training` starts, stops and resumes, `results` reads what came of runs, `predictions` asks networks,
`files` hands out downloads; `plan` makes an experiment of what the boxes of the Sweep tab say; `programs` is what other
programs may ask for, over a whole lab. They return values and raise the errors of `reglab.errors`; the tabs turn both into
what is on the screen. `Run`s travel, ids only at the page's edge. Never imports gradio, nor a tab.
"""
