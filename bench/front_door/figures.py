"""What was found, and what was promised."""

from pydantic import BaseModel, ConfigDict


class Figure(BaseModel):
    """One measured value; ``least`` and ``most``: what is promised of it."""

    model_config = ConfigDict(frozen=True)

    part: str
    name: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the promise is."""
        return (self.least is None or self.value >= self.least) and (
            self.most is None or self.value <= self.most
        )

    @property
    def promise(self) -> str:
        """In signs; empty: none."""
        if self.least is not None and self.least == self.most:
            return f"= {self.least:g}"
        if self.least is not None:
            return f"≥ {self.least:g}"
        return "" if self.most is None else f"≤ {self.most:g}"
