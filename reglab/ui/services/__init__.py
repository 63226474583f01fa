"""What the page does, in plain values. Read `lab.py` first: a `Lab` is six services over the same `stores.py`, as a visitor sees them.

`access` says who may see and change which run. `datasets` fetches, `training` starts, stops and resumes, `runs` renames, deletes
and brings back, `results` reads what came of runs, `predictions` asks networks,
`files` hands out downloads; `plan` makes an experiment of what the form of the Sweep view says; `programs` is what other
programs may ask for, over a whole lab. `keeping` knows whether runs outlive a restart, `minutes` what a run takes of a
visitor's quota on ZeroGPU. They return values and raise the errors of `reglab.errors`; the tabs turn both into
what is on the screen. `Run`s travel, ids only at the page's edge. Never imports gradio, nor a tab.
"""
