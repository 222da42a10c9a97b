"""What the config of a fit of classical methods can say."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from medseg.classical.methods import METHODS, PREFIX, checked_options, method_named
from medseg.classical.spec import options_of_spec, split_spec
from medseg.datasets.settings import DatasetSettings

__all__ = ["FitSettings", "is_classical"]


def is_classical(model: Any) -> bool:
    """Whether a config's `model` means classical methods; `classical:` without quotes is a mapping to YAML."""
    return model in ("classical", {"classical": None}) or (isinstance(model, str) and model.startswith(PREFIX))


class FitSettings(DatasetSettings):
    """The keys of a config with `model: classical...`: the cases and the split as in any training, and the search."""

    model: str = Field(
        description="classical:NAME, or with options that are not searched, classical:NAME,key=value; classical: for "
        "the best of all methods."
    )
    methods: tuple[str, ...] | None = Field(None, description="With classical: which methods; all where left out.")
    fit: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict, description="Values to be tried of an option, `low: [50, 100]`, in place of our own."
    )
    budget: int = Field(60, ge=1, description="Settings tried for each method and label; slow methods 2/5 of it.")
    fit_cases: int = Field(24, ge=1, description="Training cases that each is tried on; the last word have all.")

    @field_validator("model", mode="before")
    @classmethod
    def _a_word(cls, model: Any) -> Any:
        return PREFIX if model in ("classical", {"classical": None}) else model

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.searched:
            method_named(name, f"model {self.model}")
        if self.methods is not None and split_spec(self.model)[0]:
            raise ValueError(f"methods goes with a bare {PREFIX}, and the model names {split_spec(self.model)[0]}")
        self._check_options()
        return self

    def _check_options(self) -> None:
        fields = {key for name in self.searched for key in METHODS[name].options.model_fields}
        unknown = sorted({*self.fit, *self.fixed} - fields)
        if unknown:
            raise ValueError(
                f"no method that is fitted has the option {unknown[0]!r}; they have {', '.join(sorted(fields))}"
            )
        both = sorted(self.fit.keys() & self.fixed.keys())
        if both:
            raise ValueError(f"{both[0]} is given by the model and searched by fit: leave one of them out")
        empty = sorted(key for key, values in self.fit.items() if not values)
        if empty:
            raise ValueError(f"fit.{empty[0]} lists no value")

    @property
    def searched(self) -> tuple[str, ...]:
        """Names of the methods that are fitted."""
        name = split_spec(self.model)[0]
        return (name,) if name else tuple(METHODS) if self.methods is None else self.methods

    @property
    def fixed(self) -> dict[str, Any]:
        """Options that the model's word gives."""
        return options_of_spec(self.model)[1] if split_spec(self.model)[0] else {}

    def fixed_of(self, method: str) -> dict[str, Any]:
        """Those, as the method understands them."""
        if not self.fixed:
            return {}
        told = checked_options(method, self._complete(method)).model_dump()
        return {key: told[key] for key in self.fixed}

    def _complete(self, method: str) -> dict[str, Any]:
        # A threshold alone is none without a bound, which the search finds.
        needs = method == "threshold" and not {"low", "high"} & self.fixed.keys()
        return self.fixed | ({"low": 0.0} if needs else {})
