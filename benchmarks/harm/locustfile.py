"""One of fifty visitors without a browser, for locust: opens the page, trains, follows the curve, looks at the list."""

from __future__ import annotations

import secrets
from itertools import count

from locust import HttpUser, between, task

TINY = {"dataset": "digits", "train_size": 60, "val_size": 60, "epochs": 2, "batch_size": 16, "device": "cpu"}
REFUSED = (429, 503)
numbers = count(1)


class Visitor(HttpUser):
    """Of an address and a key of their own."""

    wait_time = between(0.5, 1.5)

    def on_start(self) -> None:
        number = next(numbers)
        address = f"198.51.{number // 200}.{number % 200 + 1}"
        self.client.headers.update({"X-Forwarded-For": address, "X-Reglab-Key": secrets.token_urlsafe(24)})
        self.run = ""
        self.open_page()
        self.train()

    @task(1)
    def open_page(self) -> None:
        self.ask("GET", "/", "page")

    @task(20)
    def follow(self) -> None:
        if self.run:
            self.ask("GET", f"/api/status?run={self.run}", "point")

    @task(3)
    def look(self) -> None:
        self.ask("GET", "/api/runs", "list")

    @task(1)
    def train(self) -> None:
        answer = self.ask("POST", "/api/train", "train", json=TINY)
        self.run = answer["run"] if answer else self.run

    def ask(self, method: str, path: str, name: str, **more):
        """What is answered, as JSON; None for a page, and for a refusal in a sentence, which is no error."""
        with self.client.request(method, path, name=name, catch_response=True, **more) as answer:
            if answer.status_code in REFUSED and "error" in answer.text:
                answer.request_meta["name"] = f"{name} refused"
                answer.success()
                return None
            if answer.ok and name != "page":
                return answer.json()
        return None
