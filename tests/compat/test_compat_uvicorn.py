"""What `reglab.compat.uvicorn` leans on is still so in the version of uvicorn that is installed; what it does, `test_shell_limits.py`."""

from __future__ import annotations

import uvicorn

from reglab import compat


def test_a_config_takes_all_that_a_server_for_strangers_is_given():
    config = uvicorn.Config(lambda scope: None, interface="asgi3")
    before = vars(config).copy()
    compat.uvicorn.fit_for_strangers(config, 100, None)
    changed = {name for name, value in vars(config).items() if before.get(name, before) != value}
    assert changed == {
        "proxy_headers", "server_header", "ws", "http", "h11_max_incomplete_event_size"
    }  # fmt: skip
    assert config.timeout_keep_alive == compat.uvicorn.IDLE_TIME
    config.load()
    assert config.http_protocol_class is config.http and config.ws_protocol_class is None
