"""What `reglab.compat.pydantic` leans on is still so in the version of pydantic that is installed."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from reglab import compat


def test_bounds_are_those_that_the_field_was_made_with():
    class Model(BaseModel):
        share: float = Field(0.5, ge=0, lt=1)
        choice: Literal["a"] = "a"
        above: int | None = Field(None, gt=3, le=9)

    bounds = {name: compat.pydantic.bounds_of(info) for name, info in Model.model_fields.items()}
    assert bounds == {"share": {"ge": 0, "lt": 1}, "choice": {}, "above": {"gt": 3, "le": 9}}


def test_a_frozen_model_can_be_changed_while_it_is_made_and_not_after():
    class Model(BaseModel):
        model_config = ConfigDict(frozen=True)
        value: int = 1

        @model_validator(mode="after")
        def double(self):
            compat.pydantic.set_while_made(self, "value", 2 * self.value)
            return self

    made = Model(value=4)
    assert made.value == 8 and made.model_dump() == {"value": 8}
    with pytest.raises(ValueError, match="frozen"):
        made.value = 1
