"""Options that mean something only beside others: given alone they are refused, since a user would miss their work."""

from collections.abc import Sequence

import typer

__all__ = ["require_company"]


def require_company(ctx: typer.Context, options: Sequence[str], company: str, there: object) -> None:
    """Refuse options that were given, whatever their value, without what they belong to.

    Args:
        ctx: Of the command, which knows what was given and what is a default.
        options: As they are typed.
        company: What they belong to, in words.
        there: Whether that was given.

    Raises:
        ConfigError: One of them was given alone.
    """
    from medseg.errors import ConfigError

    given = [option for option in options if _given(ctx, option)]
    if given and not there:
        mend = f"Leave {'it' if len(given) == 1 else 'them'} out, or give {company}."
        raise ConfigError(", ".join(given), f"has no meaning without {company}", mend)


def _given(ctx: typer.Context, option: str) -> bool:
    (name,) = (param.name for param in ctx.command.params if option in param.opts)
    source = ctx.get_parameter_source(name or "")
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")
