"""`python -m medseg` is the `medseg` command."""

from medseg.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
