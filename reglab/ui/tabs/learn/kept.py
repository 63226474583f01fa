"""What a browser remembers of the lessons, which may be anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reglab.teaching.lessons import Lesson
from reglab.ui.components.visitor import ids_of


@dataclass(frozen=True)
class Kept:
    """What was predicted in a lesson, and the runs it was predicted of."""

    prediction: dict[str, Any]
    ids: list[str]
    attempt: int  # from 1; 0 before the first

    @classmethod
    def of(cls, memory: Any, lesson: Lesson) -> Kept:
        """What a browser remembers of a lesson; nothing where that makes no sense."""
        told = memory.get("lessons") if isinstance(memory, dict) else None
        told = told.get(lesson.key) if isinstance(told, dict) else None
        told = told if isinstance(told, dict) else {}
        prediction, attempt = told.get("prediction"), told.get("attempt")
        return cls(
            prediction if isinstance(prediction, dict) else {},
            ids_of(told),
            attempt if isinstance(attempt, int) and 0 <= attempt < 10**6 else 0,
        )

    def into(self, memory: Any, lesson: Lesson) -> dict[str, Any]:
        """The memory with this in it."""
        memory = memory if isinstance(memory, dict) else {}
        others = memory.get("lessons") if isinstance(memory.get("lessons"), dict) else {}
        told = {"prediction": self.prediction, "ids": self.ids, "attempt": self.attempt}
        return {**memory, "lessons": {**others, lesson.key: told}}
