"""What is wrong with an inventory: every problem at once, each with what to do."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing the model refuses: where it stands, what was seen, what was wanted, what to do."""

    host: str
    service: str
    field: str
    seen: str
    wanted: str
    remedy: str

    def __str__(self) -> str:
        where = " ".join(part for part in (self.host, self.service, self.field) if part)
        return f"{where}: seen {self.seen}, wanted {self.wanted}; {self.remedy}"


class ModelError(Exception):
    """An environment that is refused; carries every problem found."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))
